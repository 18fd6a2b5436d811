/** What people answer in TheHive, taken over its API: each once, and nothing that is not theirs. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { connector } from '../../../connectors/thehive/connector.ts'
import { Settings } from '../../../connectors/thehive/settings.ts'
import { analyst } from '../../doubles/thehive.ts'
import { asked, cordonThatListens, openStage, question, serving } from './stage.ts'

const anna = 'anna@example.test'

/** One question is there, and the connector has looked once. */
async function open(t: TestContext, refuse?: Parameters<typeof cordonThatListens>[0], more = {}) {
  const stage = await openStage(t, more)
  await stage.tell(asked())
  const cordon = cordonThatListens(refuse)
  const served = serving(t, stage, cordon.cordon)
  await served.rests()
  return { ...stage, ...cordon, served, last: () => stage.alert().comments.at(-1)?.message ?? '' }
}

describe('an answer', () => {
  test('by tag is taken in the name of who gave it, and the alert is closed with it', async (t) => {
    const { hive, served, answers, alert } = await open(t)
    await hive.change(anna, question, { addTags: ['cordon:approve'] })
    await served.look()
    const reason = `the tag cordon:approve on alert ${alert()._id} in TheHive`
    assert.deepEqual(answers, [{ decision: question, verb: 'approve', by: anna, reason }])
    assert.deepEqual([alert().status, alert().tags.includes('cordon:settled')], ['Approved', true])
  })

  test('by status is taken too', async (t) => {
    const { hive, served, answers, alert } = await open(t)
    await hive.change(anna, question, { status: 'FalsePositive' })
    await served.look()
    assert.deepEqual(
      answers.map(({ verb, by }) => [verb, by]),
      [['decline', anna]],
    )
    assert.equal(alert().status, 'FalsePositive')
  })

  test('is taken once, however often it is looked', async (t) => {
    const { hive, served, answers } = await open(t)
    await hive.change(anna, question, { addTags: ['cordon:decline'] })
    for (let look = 0; look < 3; look++) await served.look()
    assert.equal(answers.length, 1)
  })

  test('is given again when TheHive failed in between, and then found to be given', async (t) => {
    let given = 0
    const { hive, world, served, alert, last } = await open(t, () =>
      given++ === 0
        ? undefined
        : new Problem('conflict', `cannot approve ${question}: it is issued by thehive/${anna}`),
    )
    await hive.change(anna, question, { addTags: ['cordon:approve'] })
    const through = () => false
    world.faults.push(through, through, (place, response) => {
      assert.match(place, /^PATCH/)
      response.writeHead(500).end()
      return true
    })
    await served.look()
    assert.equal(alert().tags.includes('cordon:settled'), false)
    await served.look()
    assert.equal(given, 2)
    assert.equal(alert().tags.includes('cordon:settled'), true)
    assert.match(last(), /Not done: cannot approve .* issued by thehive\/anna/)
  })

  test('to a question that waits no more changes nothing, and the alert says what became of it', async (t) => {
    const over = new Problem('conflict', 'cannot approve it: it is declined by clock', {
      remedy: 'see it',
    })
    const { hive, served, answers, alert, last } = await open(t, () => over)
    await hive.change(anna, question, { addTags: ['cordon:approve'] })
    await served.look()
    await served.look()
    assert.deepEqual(answers, [])
    assert.match(last(), /Not done: cannot approve it: it is declined by clock\n {4}see it$/)
    assert.equal(alert().comments.length, 1)
  })

  test('that may not be is taken off again with the reason, so that another can be given', async (t) => {
    const shielded = new Problem('protected_target', '203.0.113.7 is protected', {
      remedy: 'decline it',
    })
    const { hive, served, answers, alert, last } = await open(t, ({ verb }) =>
      verb === 'approve' ? shielded : undefined,
    )
    for (const change of [{ addTags: ['cordon:approve'] }, { status: 'Approved' }]) {
      await hive.change(anna, question, change)
      await served.look()
      assert.deepEqual([alert().status, alert().tags], ['New', ['cordon']])
      assert.match(last(), /203\.0\.113\.7 is protected\n {4}decline it\n {4}It still waits/)
    }
    await hive.change(anna, question, { addTags: ['cordon:decline'] })
    await served.look()
    assert.deepEqual(
      answers.map(({ verb }) => verb),
      ['decline'],
    )
  })

  test('by status that may not be is heard once also where we may not reopen', async (t) => {
    const cordon = { login: 'cordon@example.test', organisation: 'SOC', permissions: analyst }
    let heard = 0
    const refuse = () => {
      heard++
      return new Problem('forbidden', 'it needs two people by name')
    }
    const { hive, served, alert } = await open(t, refuse, { users: new Map([['key-1', cordon]]) })
    await hive.change(anna, question, { status: 'Approved' })
    for (let look = 0; look < 3; look++) await served.look()
    assert.equal(heard, 1)
    assert.equal(alert().comments.length, 1)
  })

  test('that cannot be taken just now is left as it is, and taken later', async (t) => {
    let full = true
    const { hive, served, answers, alert } = await open(t, () =>
      full ? new Problem('store_unavailable', 'the disk is full') : undefined,
    )
    await hive.change(anna, question, { addTags: ['cordon:approve'] })
    await served.look()
    assert.deepEqual(alert().tags, ['cordon', 'cordon:approve'])
    assert.equal(alert().comments.length, 0)
    assert.ok(
      served.reports.some((work) => work instanceof Problem && work.code === 'store_unavailable'),
    )
    full = false
    await served.look()
    assert.equal(answers.length, 1)
  })

  test('of yes and no at once is none', async (t) => {
    const { hive, served, answers, alert, last } = await open(t)
    await hive.change(anna, question, { addTags: ['cordon:approve', 'cordon:decline'] })
    await served.look()
    assert.deepEqual([answers, alert().tags], [[], ['cordon']])
    assert.match(last(), /approve and decline at once/)
  })

  test('by our own account is none: it is a program’s', async (t) => {
    const { hive, served, answers, last } = await open(t)
    await hive.change('cordon@example.test', question, { addTags: ['cordon:approve'] })
    await served.look()
    assert.deepEqual(answers, [])
    assert.match(last(), /names no person/)
  })

  test('on an alert that is no question of ours is none', async (t) => {
    const { world, served, answers, alert } = await open(t)
    const copy = (more: object) =>
      world.alerts.push({
        ...alert(),
        tags: ['cordon:approve'],
        _updatedBy: anna,
        comments: [],
        ...more,
      })
    copy({ _id: '~2', source: 'somebody-else' })
    copy({ _id: '~3', type: 'external' })
    copy({ _id: '~4', sourceRef: 'x' })
    await served.look()
    assert.deepEqual(answers, [])
    assert.match(world.alerts.at(-1)?.comments[0]?.message ?? '', /x is no decision of Cordon/)
  })
})

describe('it looks for answers', () => {
  test('every half a minute, and at once when something is pushed, but never without end', async (t) => {
    const { served, push } = await open(t)
    assert.equal(served.pauses[0], 30_000)
    push()
    push()
    await served.until(() => served.pauses.length === 2)
    assert.equal(served.pauses[1], 1_000, 'whoever rings all the time is heard once a second')
    await served.look()
    assert.equal(served.looks(), 2)
  })

  test('at all of them, however many wait', async (t) => {
    const { world, served, alert, answers } = await open(t)
    const id = (n: number) => `d-${String(n).padStart(16, '0')}`
    for (let n = 0; n < 250; n++)
      world.alerts.push({
        ...alert(),
        _id: `~9${n}`,
        sourceRef: id(n),
        comments: [],
        tags: n === 0 ? ['cordon:approve'] : [],
        _updatedBy: anna,
      })
    await served.look()
    assert.deepEqual(
      answers.map(({ decision }) => decision),
      [id(0)],
    )
  })

  test('and ends with the reason when TheHive cannot be asked, to be started again', async (t) => {
    const { world, served, listeners } = await open(t)
    world.faults.push((_, response) => {
      response.writeHead(503).end()
      return true
    })
    const before = served.reports.length
    const woken = served.look()
    const problem = await served.ended
    assert.ok(problem instanceof Problem && problem.code === 'service_unreachable')
    assert.equal(served.reports.length, before)
    assert.equal(listeners.size, 0)
    await assert.rejects(Promise.race([woken, Promise.reject(new Error('it ended'))]))
  })

  test('nowhere without an address', () => {
    assert.deepEqual(connector.serve?.(Settings.parse({}), cordonThatListens().cordon), [])
  })
})
