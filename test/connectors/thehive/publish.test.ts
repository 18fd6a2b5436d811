/** Questions and what becomes of them, told to TheHive over its API. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { publishToTheHive } from '../../../connectors/thehive/publish.ts'
import { Settings } from '../../../connectors/thehive/settings.ts'
import { analyst, startTheHive, theHiveWorld } from '../../doubles/thehive.ts'
import { asked, forever, notice, openStage, question } from './stage.ts'

const shared = new URL(
  '../../../../shared/contracts/soar-samples/thehive/create-alert-cases.json',
  import.meta.url,
)
const skip = existsSync(shared) ? false : 'the shared samples are not beside this repository'

describe('a question', () => {
  test('becomes an alert of its own, with the address and the ways to answer', async (t) => {
    const { tell, alert } = await openStage(t, {}, { source: 'cordon-berlin', tlp: 3 })
    await tell(
      asked({ answers: [{ label: 'Approve', url: 'https://cordon.example/v1/answer/x' }] }),
    )
    const {
      type,
      source,
      sourceRef,
      title,
      severity,
      tlp,
      pap,
      tags,
      date,
      observables,
      description,
    } = alert()
    assert.deepEqual(
      { type, source, sourceRef, title, severity, tlp, pap, tags, date },
      {
        type: 'cordon-review',
        source: 'cordon-berlin',
        sourceRef: question,
        title: 'Waits for a person: block 203.0.113.7?',
        severity: 3,
        tlp: 3,
        pap: 2,
        tags: ['cordon'],
        date: Date.UTC(2026, 2, 1, 3),
      },
    )
    assert.deepEqual(
      observables?.map(({ dataType, data }) => [dataType, data]),
      [['ip', '203.0.113.7']],
    )
    assert.match(
      description,
      /add the tag `cordon:approve`, or close the alert as \*\*Approved\*\*/,
    )
    assert.match(description, /\[Approve\]\(https:\/\/cordon\.example\/v1\/answer\/x\)/)
  })

  test('that is told again makes no second alert', async (t) => {
    const { tell, world } = await openStage(t)
    await tell(asked(), asked())
    await tell(asked())
    assert.equal(world.alerts.length, 1)
  })

  test('about a network has it as an observable that is no host', async (t) => {
    const { tell, alert } = await openStage(t)
    await tell(asked({ details: { after: { state: 'waiting', target: '203.0.113.0/24' } } }))
    assert.deepEqual(
      alert().observables?.map(({ dataType, data }) => [dataType, data]),
      [['other', '203.0.113.0/24']],
    )
  })

  test('shows what an attacker chose as it is: none of it is mark-up', async (t) => {
    const { tell, alert } = await openStage(t)
    const text = 'By the rule "x".\n```\n[click](https://evil.example)\n# Approved'
    await tell(asked({ text }))
    for (const line of text.split('\n'))
      assert.ok(alert().description.split('\n').includes(`    ${line}`), line)
  })

  test('that is answered elsewhere is closed with the answer, and says who gave it, once', async (t) => {
    const { tell, alert } = await openStage(t)
    const approved = notice('decision.approve', 'issued', {
      title: 'Block approved',
      text: 'By anna',
    })
    await tell(asked(), approved)
    await tell(approved)
    const { status, stage, tags, comments } = alert()
    assert.deepEqual(
      { status, stage, tags },
      { status: 'Approved', stage: 'Closed', tags: ['cordon', 'cordon:settled'] },
    )
    assert.equal(comments.length, 1)
    assert.match(comments[0]?.message ?? '', /Block approved\n {4}By anna/)
  })

  test('that timed out is closed as declined', async (t) => {
    const { tell, alert } = await openStage(t)
    await tell(asked(), notice('decision.timeout_decline', 'declined'))
    assert.equal(alert().status, 'Declined')
  })

  test('is settled by tag alone where TheHive has no such status', async (t) => {
    const { tell, alert } = await openStage(t, {
      statuses: new Map([
        ['New', 'New'],
        ['Ignored', 'Closed'],
      ]),
    })
    await tell(asked(), notice('decision.approve', 'issued'))
    assert.deepEqual([alert().status, alert().tags], ['New', ['cordon', 'cordon:settled']])
  })

  test('that somebody closed there already keeps the status that it got', async (t) => {
    const { tell, alert, hive } = await openStage(t)
    await tell(asked())
    await hive.change('anna@example.test', question, { status: 'Duplicate' })
    await tell(notice('decision.approve', 'issued'))
    assert.deepEqual([alert().status, alert().tags.includes('cordon:settled')], ['Duplicate', true])
  })

  test('for which a second person is needed stays open, and says so', async (t) => {
    const { tell, alert } = await openStage(t)
    await tell(asked(), notice('decision.second', undefined, { title: 'A second person is asked' }))
    assert.deepEqual(
      [alert().status, alert().tags, alert().comments.length],
      ['New', ['cordon'], 1],
    )
  })

  test('that waits again is asked again, with nothing left of the answer before', async (t) => {
    const { tell, alert, hive } = await openStage(t)
    await tell(asked())
    await hive.change('anna@example.test', question, { addTags: ['cordon:approve'] })
    await tell(notice('decision.approve', 'issued'))
    await tell(notice('decision.undo', 'waiting'))
    assert.deepEqual([alert().status, alert().tags], ['New', ['cordon']])
  })

  test('that waits again where we may not reopen stays settled: the old answer is not heard anew', async (t) => {
    const cordon = { login: 'cordon@example.test', organisation: 'SOC', permissions: analyst }
    const { tell, alert } = await openStage(t, { users: new Map([['key-1', cordon]]) })
    await tell(asked(), notice('decision.approve', 'issued'), notice('decision.undo', 'waiting'))
    assert.deepEqual([alert().status, alert().tags], ['Approved', ['cordon', 'cordon:settled']])
    assert.equal(alert().comments.length, 2)
  })
})

describe('what is no question', () => {
  test('becomes an alert that asks nothing when the settings want it told', async (t) => {
    const { tell, world } = await openStage(t, {}, { events: ['node.*', 'decision.issue'] })
    const lost = notice('node.silent', undefined, {
      subject: 'web-01',
      title: 'web-01 is silent',
      urgency: 'normal',
    })
    const blocked = notice('decision.issue', 'issued', { title: 'Block ordered' })
    await tell(lost, blocked)
    await tell(lost)
    assert.deepEqual(
      world.alerts.map(({ type, sourceRef, severity }) => [type, sourceRef, severity]),
      [
        ['cordon-notice', lost.id, 2],
        ['cordon-notice', blocked.id, 3],
      ],
    )
  })

  test('and belongs to a question that TheHive was never asked is not told', async (t) => {
    const { tell, world } = await openStage(t)
    await tell(notice('decision.decline', 'declined'))
    assert.deepEqual(world.alerts, [])
  })
})

describe('when TheHive refuses', () => {
  const codeOf = async (told: Promise<void>) => {
    const problem = await told.then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.ok(problem instanceof Problem)
    assert.ok(problem.remedy)
    assert.ok(!`${problem.message} ${problem.remedy} ${String(problem.cause)}`.includes('key-'))
    return problem.code
  }

  test('a key, a right or an organisation, it is tried again and says which', async (t) => {
    const reader = { login: 'x', organisation: 'SOC', permissions: [] }
    const wrongKey = await openStage(t, {}, { api_key: 'key-2' })
    assert.equal(await codeOf(wrongKey.tell(asked())), 'unauthenticated')
    const noRight = await openStage(t, { users: new Map([['key-1', reader]]) })
    assert.equal(await codeOf(noRight.tell(asked())), 'forbidden')
    const elsewhere = await openStage(t, {}, { organisation: 'Other' })
    assert.equal(await codeOf(elsewhere.tell(asked())), 'forbidden')
  })

  test('for a while, it is tried again after the pause that it asks for', async (t) => {
    const { tell, world } = await openStage(t)
    world.faults.push((_, response) => {
      response.writeHead(503, { 'retry-after': '7' }).end('<html>')
      return true
    })
    await assert.rejects(tell(asked()), { code: 'service_unreachable', retryMs: 7_000 })
  })

  test('what it was sent, it is not tried again', async (t) => {
    const { tell } = await openStage(t)
    assert.equal(await codeOf(tell(asked({ title: 'x'.repeat(513) }))), 'invalid_input')
  })

  test('nothing, but answers as somebody else, that is no success', async (t) => {
    const { tell, world } = await openStage(t)
    world.faults.push((_, response) => {
      response.end('<html>log in</html>')
      return true
    })
    assert.equal(await codeOf(tell(asked())), 'service_unreachable')
  })

  test('nothing yet: settings without address or key, or in the clear, are refused at the start', () => {
    const wrong = [
      {},
      { url: 'https://hive.example' },
      { url: 'http://hive.example', api_key: 'k' },
    ]
    for (const given of wrong)
      assert.throws(() => publishToTheHive(Settings.parse(given)), { code: 'setting_invalid' })
  })
})

test('the double takes and refuses new alerts as TheHive’s own schema does', {
  skip,
}, async (t) => {
  const Case = z.object({
    request: z.object({ method: z.string(), path: z.string(), body: z.looseObject({}) }),
    expect: z.union([z.number(), z.string()]),
  })
  const cases = z.record(z.string(), Case).parse(JSON.parse(readFileSync(shared, 'utf8')))
  for (const [name, { request, expect }] of Object.entries(cases)) {
    const hive = await startTheHive(theHiveWorld())
    t.after(() => hive.close())
    const send = () =>
      fetch(`${hive.url}${request.path}`, {
        method: request.method,
        headers: { authorization: 'Bearer key-1' },
        body: JSON.stringify(request.body),
        signal: forever,
      })
    const first = await send()
    const { status } = name.startsWith('same_source_ref') ? await send() : first
    assert.equal(status, Number.parseInt(String(expect), 10), name)
  }
})
