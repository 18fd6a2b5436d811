/** The journal as a SIEM and as a spreadsheet gets it: true to its format, bounded in size and in memory. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { z } from 'zod'
import { csvColumns } from '../../actions/export/csv.ts'
import { outcomeOf } from '../../actions/export/meaning.ts'
import { appendJournal, type JournalEntry } from '../../actions/store/journal.ts'
import { openTestService, record, type TestService, type TestServiceOptions } from '../service.ts'
import { checkEcs } from './ecs-fields.ts'

const Document = z.looseObject({
  '@timestamp': z.string(),
  message: z.string(),
  event: z.looseObject({
    sequence: z.int(),
    action: z.string(),
    category: z.array(z.string()),
    type: z.array(z.string()),
    outcome: z.string(),
    reason: z.string().optional(),
    hash: z.string(),
  }),
  rule: z.object({ name: z.string() }).optional(),
  source: z.object({ ip: z.string() }).optional(),
  destination: z.object({ ip: z.string() }).optional(),
  related: z.looseObject({ ip: z.array(z.string()).optional() }).optional(),
  user: z.object({ name: z.string() }).optional(),
  observer: z.looseObject({ name: z.string() }).optional(),
  organization: z.object({ name: z.string() }).optional(),
  cordon: z.looseObject({
    actor: z.string(),
    subject: z.string(),
    target: z.string().optional(),
    before: z.string().optional(),
    after: z.string().optional(),
    prev: z.string(),
    decision: z.looseObject({ id: z.string(), state: z.string() }).optional(),
  }),
})

const path = '/v1/journal/export'

async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

async function documents(service: TestService, query = '') {
  const { status, text } = await service.ask('GET', `${path}${query}`)
  assert.equal(status, 200, text)
  const lines = text.split('\n')
  assert.equal(lines.pop(), '', 'the last line is whole')
  return lines.map((line) => Document.parse(JSON.parse(line)))
}

/** Something of every kind: blocks, questions, what people did, what nodes said. */
async function lively(t: TestContext): Promise<TestService> {
  const service = await open(t)
  const node = await service.enrol('web-01', ['web'])
  const answer = await service.alert([
    record('203.0.113.7'),
    record('203.0.113.8', { severity: 50 }),
    record('2001:db8::7'),
  ])
  const [blocked, asked] = answer.body.items.map(({ alerts }) => alerts?.[0]?.decision)
  const reason = 'false alarm'
  await service.ask('POST', `/v1/decisions/${asked}/decline`, { body: { reason } })
  const receipt = { decision: blocked, audience: 'all', epoch: 1, seq: 1, at: service.clock.now }
  await service.ask('POST', '/v1/receipts', {
    token: node.bearer(),
    body: { receipts: [{ ...receipt, status: 'refused', code: 'guard', detail: 'own address' }] },
  })
  await service.ask('POST', '/v1/addresses/lift', { body: { target: '203.0.113.7', reason } })
  const body = { target: '198.51.100.0/27', for: '1h', reason: 'seen', direction: 'out' }
  await service.ask('POST', '/v1/decisions', { body })
  await service.ask('POST', '/v1/decisions', { body: { ...body, target: '198.51.100.9' } })
  await service.ask('POST', '/v1/tokens', { body: { name: 'wazuh', scopes: ['ingest'] } })
  await service.ask('POST', '/v1/keys/rotate', { body: {} })
  await service.ask('POST', '/v1/epoch', { body: {} })
  await service.ask('POST', '/v1/nodes/web-01/revoke', { body: {} })
  return service
}

describe('the export for a SIEM', () => {
  test('holds only fields of the Elastic Common Schema, of their types, and what is ours under cordon', async (t) => {
    const service = await lively(t)
    const found = await documents(service, '?organization=Example')
    assert.ok(found.length >= 12, String(found.length))
    for (const document of found) checkEcs(document)
    assert.ok(found.every(({ organization }) => organization?.name === 'Example'))
  })

  test('tells of a block by the policy: whom, by which rule, why, and what became of it', async (t) => {
    const service = await lively(t)
    const found = await documents(service)
    const block = found.find(
      ({ event, source }) => event.action === 'decision.issue' && source?.ip === '203.0.113.7',
    )
    assert.deepEqual(block?.event.category, ['network'])
    assert.deepEqual(block?.event.type, ['connection', 'denied'])
    assert.equal(block?.event.outcome, 'success')
    assert.equal(block?.event.reason, 'rule_matched')
    assert.equal(block?.rule?.name, 'severe')
    assert.deepEqual(block?.related?.ip, ['203.0.113.7'])
    assert.equal(block?.cordon.actor, 'policy')
    assert.equal(block?.user, undefined)
    assert.equal(block?.cordon.decision?.state, 'ended')
  })

  test('names the person who did it, and the node that said it', async (t) => {
    const found = await documents(await lively(t))
    const lift = found.find(({ event }) => event.action === 'decision.lift')
    assert.equal(lift?.user?.name, 'test-admin')
    assert.equal(lift?.event.reason, 'false alarm')
    assert.match(
      lift?.message ?? '',
      /^token\/test-admin: decision\.lift of d-\w{16} on 203\.0\.113\.7 \(false alarm\)$/,
    )
    const refused = found.find(({ event }) => event.action === 'receipt.refused')
    assert.equal(refused?.observer?.name, 'web-01')
    assert.equal(refused?.event.outcome, 'failure')
    assert.equal(refused?.event.reason, 'guard: own address')
  })

  test('says of what fell silent that it failed, and of a question that nobody knows yet', () => {
    for (const noun of ['node', 'list', 'places', 'provider'])
      assert.equal(outcomeOf(`${noun}.silent`), 'failure')
    assert.equal(outcomeOf('decision.second'), 'unknown')
    assert.equal(outcomeOf('decision.lift'), 'success')
  })

  test('never puts a network where an address belongs, and knows what goes out from what comes in', async (t) => {
    const found = await documents(await lively(t))
    const [network, host] = found.filter(
      ({ cordon, event }) => cordon.actor !== 'policy' && event.action === 'decision.issue',
    )
    assert.equal(network?.cordon.target, '198.51.100.0/27')
    assert.deepEqual([network?.source, network?.destination], [undefined, undefined])
    assert.deepEqual([host?.source, host?.destination?.ip], [undefined, '198.51.100.9'])
  })

  test('can be verified by itself: each hash follows from the document, and from the one before', async (t) => {
    const found = await documents(await lively(t))
    let prev = ''
    for (const { '@timestamp': time, event, cordon } of found) {
      const { actor, subject, before = null, after = null } = cordon
      assert.equal(cordon.prev, prev)
      const line = [
        event.sequence,
        Date.parse(time),
        actor,
        event.action,
        subject,
        before,
        after,
        prev,
      ]
      prev = createHash('sha256').update(JSON.stringify(line)).digest('hex')
      assert.equal(event.hash, prev)
    }
  })

  test('still holds the line of a decision that retention has let go', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.7'))
    await service.flow.store.write((tx) => tx.deleteFrom('decisions').execute())
    const [line] = await documents(service)
    assert.equal(line?.source?.ip, '203.0.113.7')
    assert.equal(line?.cordon.decision, undefined)
  })
})

describe('an export', () => {
  test('of a span of time holds what is in it and nothing else', async (t) => {
    const service = await numbered(t, 2_000)
    const at = (n: number) => new Date(service.clock.now + n * 1_000).toISOString()
    const found = await documents(service, `?since=${at(700)}&until=${at(1_300)}`)
    assert.deepEqual(
      found.map(({ event }) => event.sequence),
      Array.from({ length: 600 }, (_, n) => n + 701),
    )
  })

  for (const format of ['ndjson', 'csv'] as const)
    test(`as ${format} in answers of bounded size has no gap and no repeat, and each ends with a whole line`, async (t) => {
      const service = await numbered(t, 1_500)
      const seen: number[] = []
      for (let answers = 0; ; answers++) {
        const after = seen.at(-1) ?? 0
        const query = `?format=${format}&after=${after}&limit_bytes=20000`
        const { text } = await service.ask('GET', `${path}${query}`)
        assert.ok(Buffer.byteLength(text) <= 20_000)
        const lines = text.split('\n')
        assert.equal(lines.pop(), '')
        if (format === 'csv') assert.equal(lines.shift(), csvColumns.join(','))
        if (lines.length === 0) {
          assert.ok(answers > 10, String(answers))
          break
        }
        seen.push(...lines.map((line) => sequenceOf(format, line)))
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 1_500 }, (_, n) => n + 1),
      )
    })

  test('gets on also where one line alone is longer than the answer may be', async (t) => {
    const service = await numbered(t, 3)
    const found = await documents(service, '?limit_bytes=1')
    assert.deepEqual(
      found.map(({ event }) => event.sequence),
      [1],
    )
  })

  test('of 100,000 lines is read page by page as they are taken, in bounded memory, and ends when nobody reads on', async (t) => {
    const service = await open(t, { onDisk: true })
    const { store } = service.flow
    for (let n = 0; n < 100_000; n += 5_000)
      await store.write((tx) => appendJournal(tx, entries(n, 5_000, service.clock.now)))
    const reads = t.mock.method(store.read, 'selectFrom')
    const reader = await readerOf(service, `${path}?limit_bytes=1000000000`)
    // Nobody has read yet; the first page is there.
    const before = reads.mock.callCount()
    assert.ok(before < 8, String(before))
    for (let n = 0; n < 20; n++) await new Promise(setImmediate)
    assert.equal(reads.mock.callCount(), before)
    // Who writes does not wait for who reads.
    assert.equal((await service.alert(record('203.0.113.7'))).status, 200)

    let [bytes, lines, largest, most] = [0, 0, 0, 0]
    const atStart = memory()
    for (let page = await reader.read(), n = 1; !page.done; page = await reader.read(), n++) {
      bytes += page.value.length
      largest = Math.max(largest, page.value.length)
      for (const byte of page.value) if (byte === 10) lines++
      if (n % 25 === 0) most = Math.max(most, memory() - atStart)
    }
    assert.equal(lines, 100_001)
    assert.ok(bytes > 50_000_000, String(bytes))
    assert.ok(largest < 1_000_000, String(largest))
    assert.ok(most < 10_000_000, `${most} bytes more than at the start, of ${bytes}`)

    const second = await readerOf(service, path)
    await second.read()
    await second.cancel()
    const after = reads.mock.callCount()
    for (let n = 0; n < 20; n++) await new Promise(setImmediate)
    assert.equal(reads.mock.callCount(), after)
  })

  test('is for those who may read, and says what was asked wrongly', async (t) => {
    const service = await open(t)
    const ingest = await service.token(['ingest'])
    assert.equal((await service.ask('GET', path, { token: ingest })).status, 403)
    for (const query of ['format=xml', 'since=yesterday', 'limit_bytes=0', 'after=-1', 'x=1'])
      assert.equal((await service.ask('GET', `${path}?${query}`)).status, 400, query)
  })
})

describe('the export for a spreadsheet', () => {
  const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '＝1', '=HYPERLINK("http://x","y")']
  for (const text of formulas)
    test(`holds ${JSON.stringify(text)} as text and not as a formula`, async (t) => {
      const service = await open(t)
      await write(service, [
        { at: 0, actor: text, action: 'test.write', subject: text, after: { reason: text } },
      ])
      const [row] = rowsOf((await service.ask('GET', `${path}?format=csv`)).text)
      for (const column of ['actor', 'subject', 'reason'] as const)
        assert.match(row?.[column] ?? '', /^'/, column)
      assert.ok(!Object.values(row ?? {}).some((cell) => /^[=+\-@\t\r]/.test(cell)))
    })

  test('has one line a row, whatever people wrote', async (t) => {
    const service = await open(t)
    const reason = 'first\nsecond\r\n"third", =4\u2028fifth'
    await service.ask('POST', '/v1/decisions', {
      body: { target: '203.0.113.7', for: '1h', reason },
    })
    const { text } = await service.ask('GET', `${path}?format=csv`)
    assert.equal(text.split('\n').length, 3)
    const [row] = rowsOf(text)
    assert.equal(row?.reason, 'first\\u{a}second\\u{d}\\u{a}"third", =4\\u{2028}fifth')
    assert.deepEqual([row?.target, row?.outcome, row?.state], ['203.0.113.7', 'success', 'issued'])
  })

  test('has the same lines as the one for a SIEM', async (t) => {
    const service = await lively(t)
    const { text } = await service.ask('GET', `${path}?format=csv`)
    assert.deepEqual(
      rowsOf(text).map(({ line, hash }) => [Number(line), hash]),
      (await documents(service)).map(({ event }) => [event.sequence, event.hash]),
    )
  })
})

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/** Bytes that are held, without what is only not collected yet. */
function memory(): number {
  assert.ok(typeof collect === 'function')
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function readerOf(service: TestService, place: string) {
  const headers = { authorization: `Bearer ${service.admin}` }
  const { body } = await service.app.request(place, { headers })
  assert.ok(body)
  return body.getReader()
}

function write(service: TestService, lines: readonly JournalEntry[]): Promise<void> {
  return service.flow.store.write((tx) => appendJournal(tx, lines))
}

/** One line a second. */
async function numbered(t: TestContext, lines: number): Promise<TestService> {
  const service = await open(t)
  await write(service, entries(0, lines, service.clock.now))
  return service
}

function entries(from: number, count: number, start: number): JournalEntry[] {
  return Array.from({ length: count }, (_, n) => ({
    at: start + (from + n) * 1_000,
    actor: 'token/alice',
    action: 'test.write',
    subject: `s${from + n}`,
    after: { n: from + n, reason: 'because it was so' },
  }))
}

function sequenceOf(format: 'ndjson' | 'csv', line: string): number {
  return format === 'csv'
    ? Number(line.split(',')[0])
    : Document.parse(JSON.parse(line)).event.sequence
}

type Row = Partial<Record<(typeof csvColumns)[number], string>>

/** Cells as a spreadsheet reads them (RFC 4180). */
function rowsOf(text: string): Row[] {
  const [, ...rows] = text.trimEnd().split('\n')
  return rows.map((row) => {
    const cells = [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)]
    const texts = cells.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '')
    assert.equal(texts.length, csvColumns.length, row)
    return Object.fromEntries(csvColumns.map((column, at) => [column, texts[at] ?? '']))
  })
}
