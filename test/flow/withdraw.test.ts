/** What a source takes back: blocks that stood on it alone are lifted, and nothing else is. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { z } from 'zod'
import { type Alert, alertId } from '#contract/alert.ts'
import type { Connector } from '#contract/connector.ts'
import { printTime } from '#contract/time.ts'
import type { Withdrawal } from '#contract/withdrawal.ts'
import { type IntelligenceFact, nothingOutside } from '../../actions/decide/outside.ts'
import type { FactSources } from '../../actions/facts/sources.ts'
import { type ItemAnswer, receive } from '../../actions/flow/receive.ts'
import { heldStatements } from '../../actions/store/statements.ts'
import {
  openTestService,
  startOfTest,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

/** Says of an address, or takes back; `at` is seconds after the start of the test. */
type Word = {
  says?: string
  of?: string
  at?: number
  endsIn?: number
  severity?: number
  takesBack?: string
  attacker?: string
  padding?: string
}

const lists: Connector = {
  name: 'lists',
  title: 'Lists',
  settings: z.strictObject({}),
  read: (record) => (wordOf(record).says === undefined ? [] : [alertOf(wordOf(record))]),
  withdrawals: (record) =>
    wordOf(record).takesBack === undefined ? [] : [withdrawalOf(wordOf(record))],
}

const wordOf = (record: unknown) => record as Word
const time = (at = 0) => printTime(startOfTest + at * 1_000)

function alertOf({ says, of = 's1', at = 0, endsIn, severity = 80 }: Word): Alert {
  return {
    version: 1,
    id: alertId('lists', of, says, at),
    source: 'lists',
    observed: time(at),
    received: time(at),
    rule: { id: of, name: 'listed', severity, groups: [], mitre: [] },
    ...(says !== undefined && { attacker: says }),
    count: 1,
    statement: of,
    ...(endsIn !== undefined && { ends: time(endsIn) }),
    original: '',
    original_cut: false,
  }
}

function withdrawalOf({ takesBack = '', at = 0, attacker }: Word): Withdrawal {
  const what = { version: 1, source: 'lists', of: takesBack, observed: time(at) } as const
  return { ...what, reason: 'revoked', ...(attacker !== undefined && { attacker }) }
}

async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

function tell(service: TestService, ...words: Word[]): Promise<ItemAnswer[]> {
  const { recorder, now } = service.flow
  return receive(recorder, { connector: lists, settings: {} }, words, now())
}

type Shown = { id: string; target: string; state: string; length_s: number; actor: string | null }
async function decisions(service: TestService): Promise<Shown[]> {
  const { body } = await service.ask('GET', '/v1/decisions')
  return (body as unknown as { decisions: Shown[] }).decisions
}
const states = async (service: TestService) =>
  (await decisions(service)).map(({ target, state }) => `${target} ${state}`).sort()

async function journal(service: TestService): Promise<string[]> {
  const rows = await service.flow.store.read
    .selectFrom('journal')
    .selectAll()
    .orderBy('seq')
    .execute()
  return rows
    .filter(({ action }) => action.startsWith('decision.'))
    .map(({ action, actor }) => `${action} ${actor}`)
}

async function actions(service: TestService): Promise<string[]> {
  const rows = await service.flow.store.read
    .selectFrom('envelopes')
    .selectAll()
    .orderBy('seq')
    .execute()
  return rows.flatMap(({ jws }) => {
    const claims = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString())
    return claims.actions.map(
      (one: { action: string; target: string }) => `${one.action} ${one.target}`,
    )
  })
}

const held = async (service: TestService) => {
  const all: string[] = []
  for await (const piece of heldStatements(service.flow.store.read, 'lists')) all.push(...piece)
  return all
}

describe('what a source takes back', () => {
  test('is lifted on the nodes, and journalled with who took it back', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' })
    assert.deepEqual(await held(service), ['s1'])
    const [answer] = await tell(service, { takesBack: 's1', at: 1 })
    assert.equal(answer?.status, 'stored')
    assert.deepEqual(await states(service), ['203.0.113.7 ended'])
    assert.deepEqual(await actions(service), ['block 203.0.113.7', 'lift 203.0.113.7'])
    assert.deepEqual(await journal(service), [
      'decision.issue policy',
      'decision.lift connector/lists',
    ])
    assert.deepEqual(await held(service), [])
  })

  test('is lifted also when what the same record says anew is too large to be taken', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' })
    const large = { takesBack: 's1', at: 1, padding: 'x'.repeat(1_100_000) }
    const [answer] = await tell(service, large)
    assert.equal(answer?.status === 'refused' && answer.problem.code, 'too_large')
    assert.deepEqual(await states(service), ['203.0.113.7 ended'])
  })

  test('twice is lifted once', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' })
    await tell(service, { takesBack: 's1', at: 1 })
    const [again] = await tell(service, { takesBack: 's1', at: 1 })
    assert.equal(again?.status, 'ignored')
    assert.equal((await actions(service)).length, 2)
    assert.equal((await journal(service)).length, 2)
  })

  test('stays blocked while another alert stands behind it, and says so, until that one goes too', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' }, { says: '203.0.113.7', of: 's2' })
    const [answer] = await tell(service, { takesBack: 's1', at: 1 })
    assert.equal(answer?.status === 'stored' && answer.withdrawn?.[0]?.stays.length, 1)
    assert.deepEqual(await states(service), ['203.0.113.7 issued'])
    assert.equal((await journal(service)).at(-1), 'decision.withdraw connector/lists')
    await tell(service, { takesBack: 's2', at: 2 })
    assert.deepEqual(await states(service), ['203.0.113.7 ended'])
  })

  test('stays blocked when a sensor of ours saw the attacker too', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' })
    await service.alert({ id: 'x', attacker: '203.0.113.7', rule: 'ssh', severity: 80 })
    await tell(service, { takesBack: 's1', at: 1 })
    assert.deepEqual(await states(service), ['203.0.113.7 issued'])
  })

  test('stays blocked when a person has decided on it', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' })
    const [decision] = await decisions(service)
    const body = { for: '9h', reason: 'keep it' }
    const { status, text } = await service.ask('POST', `/v1/decisions/${decision?.id}/extend`, {
      body,
    })
    assert.equal(status, 200, text)
    await tell(service, { takesBack: 's1', at: 1 })
    assert.deepEqual(await states(service), ['203.0.113.7 issued'])
    assert.equal((await journal(service)).at(-1), 'decision.withdraw connector/lists')
  })

  test('leaves a block by hand on the same address alone', async (t) => {
    const service = await open(t)
    const body = { target: '203.0.113.7', for: '1h', reason: 'by hand' }
    await service.ask('POST', '/v1/decisions', { body })
    await tell(service, { says: '203.0.113.7' })
    await tell(service, { takesBack: 's1', at: 1 })
    assert.deepEqual(await states(service), ['203.0.113.7 ended', '203.0.113.7 issued'])
  })

  test('as a question that waits for a person is no question any more', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7', severity: 50 })
    assert.deepEqual(await states(service), ['203.0.113.7 waiting'])
    await tell(service, { takesBack: 's1', at: 1 })
    assert.deepEqual(await states(service), ['203.0.113.7 declined'])
    assert.equal((await journal(service)).at(-1), 'decision.decline connector/lists')
  })

  test('of one address leaves the others of the same statement', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' }, { says: '203.0.113.8' })
    await tell(service, { takesBack: 's1', attacker: '203.0.113.7', at: 1 })
    assert.deepEqual(await states(service), ['203.0.113.7 ended', '203.0.113.8 issued'])
  })

  test('by a repeat from before does not undo what the source has said since', async (t) => {
    const service = await open(t)
    const [says, takes] = [{ says: '203.0.113.7' }, { takesBack: 's1', at: 1 }]
    await tell(service, says, takes, { ...says, at: 2 })
    assert.deepEqual(await states(service), ['203.0.113.7 ended', '203.0.113.7 issued'])
    await tell(service, says, takes, { ...says, at: 2 })
    assert.deepEqual(await states(service), ['203.0.113.7 ended', '203.0.113.7 issued'])
  })

  test('in the same page is in order: the last word counts', async (t) => {
    const service = await open(t)
    const says = (at: number, of: string) => ({ says: '203.0.113.7', at, of })
    const answers = await tell(
      service,
      says(1, 's1'),
      { says: '203.0.113.9', at: 1, of: 's9' },
      { takesBack: 's1', at: 2 },
      says(3, 's1'),
      { takesBack: 's1', at: 4 },
      { takesBack: 's9', at: 4 },
      { says: '203.0.113.9', at: 5, of: 's9' },
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(7).fill('stored'),
    )
    assert.deepEqual(await states(service), [
      '203.0.113.7 ended',
      '203.0.113.7 ended',
      '203.0.113.9 ended',
      '203.0.113.9 issued',
    ])
  })

  test('that another source said is not touched', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7' })
    await service.flow.recorder.withdraw([
      { ...withdrawalOf({ takesBack: 's1', at: 1 }), source: 'other' },
    ])
    assert.deepEqual(await states(service), ['203.0.113.7 issued'])
  })

  test('while providers are still asked about it is never blocked, also not when they have answered', async (t) => {
    const answers: (() => void)[] = []
    const policy = `
version: 1
sources: { abuseipdb: { fail: review, wait: 1s } }
rules:
  - { name: known, because: known, when: intel("abuseipdb").score >= 75, verdict: block, for: 1h }
`
    const service = await open(t, { policy, sources: sourcesThatWait(answers) })
    await tell(service, { says: '203.0.113.7' })
    assert.deepEqual(await held(service), ['s1'])
    assert.equal(answers.length, 1)
    await tell(service, { takesBack: 's1', at: 1 })
    for (const answer of answers) answer()
    await service.flow.asking.settled()
    assert.deepEqual(await actions(service), [])
    assert.deepEqual(await held(service), [])
  })
})

describe('an alert with an end', () => {
  test('blocks no longer than its source says so', async (t) => {
    const service = await open(t)
    await tell(
      service,
      { says: '203.0.113.7', endsIn: 600 },
      { says: '203.0.113.8', endsIn: 86_400 },
    )
    const lengths = (await decisions(service)).map(
      ({ target, length_s }) => `${target} ${length_s}`,
    )
    assert.deepEqual(lengths.sort(), ['203.0.113.7 600', '203.0.113.8 3600'])
  })

  test('that is over blocks nothing', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7', at: -900, endsIn: -1 })
    assert.deepEqual(await states(service), ['203.0.113.7 noted'])
  })

  test('is not too old until then, since its source goes on saying so', async (t) => {
    const service = await open(t)
    await tell(service, { says: '203.0.113.7', at: -9_000_000, endsIn: 600 })
    await tell(service, { says: '203.0.113.8', at: -9_000_000 })
    assert.deepEqual(await states(service), ['203.0.113.7 issued', '203.0.113.8 noted'])
  })
})

const malicious: IntelligenceFact = {
  state: 'answered',
  verdict: 'malicious',
  score: 90,
  trusted: false,
  tags: [],
  summary: 'known',
  ageMs: 0,
}

function sourcesThatWait(answers: (() => void)[]): FactSources {
  return {
    of: () => ({ ...nothingOutside, askable: ['abuseipdb'] }),
    look: async () => {},
    states: () => [],
    ask: () =>
      new Promise((done) => {
        answers.push(() => done({ abuseipdb: malicious }))
      }),
  }
}
