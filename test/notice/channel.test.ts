/** What a channel promises: in order, once, tried again, given up in the end, and never a flood. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { sql } from 'kysely'
import { Problem } from '#contract/problem.ts'
import { insertDecisions } from '../../actions/store/decisions.ts'
import { listDeadLetters } from '../../actions/store/notices.ts'
import { openStage, recorder, type Stage, start, waiting } from './stage.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

const away = () => new Problem('service_unreachable', 'it is away')
const refused = () => new Problem('invalid_input', 'it takes no such message')

let stage: Stage
beforeEach(async () => {
  stage = await openStage()
})
afterEach(() => stage.close())

const enrolled = (name: string) => ({ action: 'node.enrol', subject: name, actor: `node/${name}` })
const title = (name: string) => `Node ${name} was enrolled`

describe('what is told', () => {
  test('the first start tells nothing of what was before it', async () => {
    await stage.append(enrolled('old'))
    const mail = recorder()
    const notices = await stage.open({ mail })
    await stage.append(enrolled('new'))
    notices.wake()
    await stage.pass(second)
    assert.deepEqual(mail.titles(), [[title('new')]])
  })

  test('a channel is told what its settings name, in the order of the journal, and nothing else', async () => {
    const mail = recorder({ events: ['node.enrol', 'decision.*'] })
    const notices = await stage.open({ mail })
    await stage.append(
      enrolled('a'),
      { action: 'node.healed' },
      { action: 'decision.expire', subject: 'd-1' },
      { action: 'token.create' },
      enrolled('b'),
    )
    notices.wake()
    await stage.pass(second)
    assert.deepEqual(mail.events(), ['node.enrol', 'decision.expire', 'node.enrol'])
    assert.equal(mail.taken.length, 3, 'one message each')
  })

  test('what is below the urgency that was asked for is not told', async () => {
    const mail = recorder({ min_urgency: 'high' })
    await stage.open({ mail })
    await stage.append(enrolled('a'), { action: 'node.degraded' }, { action: 'node.recovered' })
    await stage.pass(minute)
    assert.deepEqual(mail.events(), ['node.degraded'])
  })

  test('without anybody saying that the journal grew it is looked at all the same', async () => {
    const mail = recorder()
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(minute)
    assert.deepEqual(mail.titles(), [[title('a')]])
  })

  test('a restart neither repeats nor leaves out', async () => {
    const mail = recorder()
    const first = await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(minute)
    await first.stop()
    await stage.append(enrolled('b'))
    await stage.open({ mail })
    await stage.pass(minute)
    assert.deepEqual(mail.titles(), [[title('a')], [title('b')]])
  })

  test('a store that was restored from a backup tells what is new from then on', async () => {
    const mail = recorder()
    await stage.append(enrolled('a'), enrolled('b'))
    const first = await stage.open({ mail })
    await first.stop()
    await stage.store.write((tx) => tx.deleteFrom('journal').where('seq', '>', 1).execute())
    await stage.open({ mail })
    await stage.append(enrolled('c'))
    await stage.pass(minute)
    assert.deepEqual(mail.titles(), [[title('c')]])
  })
})

describe('a channel that fails', () => {
  test('is tried again after growing pauses, with the same message, while what is younger waits', async () => {
    const mail = recorder()
    mail.answer = () => (mail.tries.length < 4 ? away() : undefined)
    const notices = await stage.open({ mail })
    await stage.append(enrolled('a'), enrolled('b'))
    notices.wake()
    await stage.pass(2 * minute)
    assert.deepEqual(mail.titles(), [[title('a')], [title('b')]])
    const [first, ...later] = mail.tries.slice(0, 4)
    assert.ok(first && later.every(({ ids }) => ids[0] === first.ids[0]))
    const pauses = mail.tries.slice(1, 4).map(({ at }, i) => at - (mail.tries[i]?.at ?? 0))
    assert.deepEqual(
      pauses.map((ms) => Math.round(ms / second)),
      [5, 15, 45],
    )
  })

  test('holds up no other channel', async () => {
    const mail = recorder()
    mail.answer = () => new Promise(() => {})
    const chat = recorder()
    await stage.open({ mail, chat })
    await stage.append(enrolled('a'), enrolled('b'))
    await stage.pass(minute)
    assert.equal(chat.taken.length, 2)
  })

  test('and never answers is left after a time and tried again', async () => {
    const mail = recorder()
    const signals: AbortSignal[] = []
    mail.answer = (_, signal) => {
      signals.push(signal)
      return signals.length === 1 ? new Promise(() => {}) : undefined
    }
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(10 * minute)
    assert.deepEqual(mail.titles(), [[title('a')]])
    assert.equal(signals[0]?.aborted, true, 'the first try was told to end')
  })

  test('is left alone for as long as it asks', async () => {
    const mail = recorder()
    const asked = () => new Problem('rate_limited', 'too often', { retryMs: 20 * minute })
    mail.answer = () => (mail.tries.length < 2 ? asked() : undefined)
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(hour)
    const [first, again] = mail.tries
    assert.ok(first && again && again.at - first.at >= 20 * minute)
    assert.equal(mail.taken.length, 1)
  })

  test('is shown as failing with the reason, how much waits, and is ready again when it works', async () => {
    const mail = recorder()
    mail.answer = () => away()
    const notices = await stage.open({ mail })
    await stage.append(enrolled('a'), enrolled('b'))
    await stage.pass(35 * second)
    assert.deepEqual(notices.channels(), [
      { name: 'mail', state: 'failing', waiting: 2, problem: 'it is away' },
    ])
    mail.answer = () => undefined
    await stage.pass(10 * minute)
    const [shown] = notices.channels()
    assert.deepEqual([shown?.state, shown?.waiting, shown?.problem], ['ready', 0, undefined])
    assert.match(shown?.last ?? '', /^2026-03-01T03:/)
  })

  test('is given up for after the tries that were set; the message is kept, and the channel goes on', async () => {
    const mail = recorder({ tries: 3 })
    mail.answer = (notices) => (notices[0]?.subject === 'a' ? away() : undefined)
    await stage.open({ mail })
    await stage.append(enrolled('a'), enrolled('b'))
    await stage.pass(hour)
    assert.equal(mail.tries.filter(({ ids }) => ids[0] === mail.tries[0]?.ids[0]).length, 3)
    assert.deepEqual(mail.titles(), [[title('b')]])
    const [letter, ...rest] = await listDeadLetters(stage.store.read, 10)
    assert.deepEqual(rest, [])
    assert.deepEqual(
      [letter?.channel, letter?.tries, letter?.problem, letter?.notices.map((n) => n.title)],
      ['mail', 3, 'it is away', [title('a')]],
    )
  })

  test('is given up for after the time that was set, however few the tries were', async () => {
    const mail = recorder({ tries: 100, give_up_after: '2h' })
    mail.answer = () => away()
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(hour)
    assert.equal((await listDeadLetters(stage.store.read, 10)).length, 0)
    await stage.pass(12 * hour)
    assert.equal((await listDeadLetters(stage.store.read, 10)).length, 1)
  })

  test('by the defaults is tried for most of a day', async () => {
    const mail = recorder()
    mail.answer = () => away()
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(40 * hour)
    assert.equal(mail.tries.length, 12)
    const lasted = (mail.tries.at(-1)?.at ?? 0) - (mail.tries[0]?.at ?? 0)
    assert.ok(lasted > 12 * hour && lasted <= 24 * hour, `${lasted / hour} hours`)
  })

  test('and says that trying is of no use is not tried again', async () => {
    const mail = recorder()
    mail.answer = () => refused()
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(hour)
    assert.equal(mail.tries.length, 1)
    assert.equal((await listDeadLetters(stage.store.read, 10)).length, 1)
  })

  test('is spoken of to the others, never to itself, and two that fail do not go on about each other', async () => {
    const [mail, chat, hook] = [recorder(), recorder(), recorder()]
    mail.answer = () => refused()
    hook.answer = () => refused()
    await stage.open({ mail, chat, hook })
    await stage.append(enrolled('a'))
    await stage.pass(hour)
    assert.deepEqual(chat.events(), ['node.enrol', 'notice.dead', 'notice.dead'])
    assert.deepEqual([mail.tries.length, hook.tries.length], [2, 2], 'the line, and the other')
    const lines = await stage.store.read.selectFrom('journal').selectAll().execute()
    assert.equal(lines.length, 3)
  })

  test('is not forgiven its tries by a restart, and the message stays the same', async () => {
    const mail = recorder({ tries: 4, digest: '1m' })
    mail.answer = () => away()
    const first = await stage.open({ mail })
    await stage.append(enrolled('a'), enrolled('b'))
    await stage.pass(75 * second)
    assert.equal(mail.tries.length, 2)
    await first.stop()
    await stage.append(enrolled('c'))
    await stage.open({ mail })
    await stage.pass(hour)
    const ids = mail.tries.map((one) => one.ids.join())
    assert.equal(new Set(ids.slice(0, 4)).size, 1, ids.join(' '))
    const letters = await listDeadLetters(stage.store.read, 10)
    assert.equal(letters.at(-1)?.tries, 4)
    assert.deepEqual(
      letters.at(-1)?.notices.map(({ subject }) => subject),
      ['a', 'b'],
    )
  })

  test('and is stopped in the middle of a try counts no failure', async () => {
    const mail = recorder()
    mail.answer = (_, signal) =>
      new Promise((__, reject) => signal.addEventListener('abort', () => reject(away())))
    const notices = await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(minute)
    await notices.stop()
    mail.answer = () => undefined
    await stage.open({ mail })
    await stage.pass(second)
    assert.deepEqual(mail.titles(), [[title('a')]])
  })
})

test('a question whose links cannot be made is asked without them', async () => {
  const mail = recorder()
  const answersFor = async () => {
    throw new Problem('store_unavailable', 'no links today')
  }
  await stage.open({ mail }, { answersFor })
  await stage.store.write((tx) => insertDecisions(tx, [waiting]))
  await stage.append({ action: 'decision.wait', subject: waiting.id })
  await stage.pass(minute)
  assert.deepEqual(mail.events(), ['decision.wait'])
})

test('a question that is answered while the channel fails is told as answered, and without links', async () => {
  const mail = recorder()
  mail.answer = () => away()
  const answersFor = async () => [{ label: 'Approve', url: 'https://cordon.example.org/1' }]
  await stage.open({ mail }, { answersFor })
  await stage.store.write((tx) => insertDecisions(tx, [waiting]))
  await stage.append({ action: 'decision.wait', subject: waiting.id })
  await stage.pass(minute)
  await stage.store.write((tx) => tx.updateTable('decisions').set({ state: 'declined' }).execute())
  mail.answer = () => undefined
  await stage.pass(hour)
  const [notice] = mail.taken.flat()
  assert.deepEqual(notice?.answers, [])
  assert.match(notice?.text ?? '', /^By now it is declined\./)
})

test('a clock that is set back by a year keeps nothing waiting for a year', async () => {
  const [mail, chat] = [recorder(), recorder({ digest: '10m' })]
  mail.answer = () => (mail.tries.length < 2 ? away() : undefined)
  await stage.open({ mail, chat })
  await stage.append(enrolled('a'))
  await stage.pass(31 * second)
  assert.equal(mail.tries.length, 1)
  stage.clock.now -= 365 * 24 * hour
  await stage.pass(hour)
  const [, again] = mail.tries
  assert.ok(again && again.at < start - 364 * 24 * hour)
  assert.deepEqual([mail.taken.length, chat.taken.length], [1, 1])
})

test('a store that cannot be read for a time is told in the health, and is forgotten when it can', async () => {
  const mail = recorder()
  const notices = await stage.open({ mail })
  await sql`alter table journal rename to away`.execute(stage.store.read)
  await stage.pass(minute)
  assert.equal(notices.channels()[0]?.state, 'failing')
  await sql`alter table away rename to journal`.execute(stage.store.read)
  await stage.append(enrolled('a'))
  await stage.pass(2 * minute)
  assert.deepEqual([notices.channels()[0]?.state, mail.taken.length], ['ready', 1])
})

describe('many at once', () => {
  test('a digest gathers for its time, and goes sooner when it is full', async () => {
    const mail = recorder({ digest: '10m', digest_size: 3 })
    const notices = await stage.open({ mail })
    await stage.append(enrolled('a'), enrolled('b'))
    await stage.pass(9 * minute)
    assert.deepEqual(mail.titles(), [])
    await stage.pass(2 * minute)
    assert.deepEqual(mail.titles(), [[title('a'), title('b')]])
    await stage.append(enrolled('c'), enrolled('d'), enrolled('e'))
    notices.wake()
    await stage.pass(second)
    assert.equal(mail.taken.length, 2)
  })

  test('ten thousand blocks in a minute are a handful of messages, and every one is counted', async () => {
    const mail = recorder()
    const notices = await stage.open({ mail })
    for (let i = 0; i < 100; i++) {
      await stage.append(...Array.from({ length: 100 }, () => ({ action: 'decision.issue' })))
      notices.wake()
      await stage.pass(600)
    }
    await stage.pass(2 * minute)
    assert.ok(mail.taken.length <= 13, `${mail.taken.length} messages`)
    const told = mail.taken.flat()
    const counts = told.map(({ event, details }) =>
      event === 'notice.more' ? Number(details.count) : 1,
    )
    assert.equal(
      counts.reduce((a, b) => a + b, 0),
      10_000,
    )
    assert.ok(mail.taken.every((message) => message.length <= 51))
    assert.ok(told.some(({ title }) => /^and \d+ more$/.test(title)))
  })

  test('what was held back goes as one message, in order, as soon as one more is allowed', async () => {
    const mail = recorder({ per_hour: 12 })
    await stage.open({ mail })
    await stage.append(...['a', 'b', 'c', 'd'].map(enrolled))
    await stage.pass(minute)
    assert.deepEqual(mail.titles(), [[title('a')], [title('b')]], 'a sixth of an hour at once')
    await stage.pass(6 * minute)
    assert.deepEqual(mail.titles().at(-1), [title('c'), title('d')])
  })

  test('trying again is not held back by what others were told', async () => {
    const mail = recorder({ per_hour: 6 })
    mail.answer = () => (mail.tries.length < 3 ? away() : undefined)
    await stage.open({ mail })
    await stage.append(enrolled('a'))
    await stage.pass(2 * minute)
    assert.equal(mail.taken.length, 1)
  })
})

test('whatever a channel answers and whenever the service restarts, every line is told in order or kept as a dead letter', async () => {
  const Act = fc.oneof(
    fc.record({ act: fc.constant('lines' as const), count: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ act: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 600_000 }) }),
    fc.record({ act: fc.constant('restart' as const) }),
  )
  const Mood = fc.array(fc.constantFrom('take', 'take', 'away', 'refuse'), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(fc.array(Act, { maxLength: 12 }), Mood, async (acts, moods) => {
      const own = await openStage()
      const mail = recorder({ events: ['node.*'], digest_size: 5, per_hour: 30, tries: 3 })
      mail.answer = () => {
        const mood = moods[mail.tries.length]
        return mood === 'away' ? away() : mood === 'refuse' ? refused() : undefined
      }
      let notices = await own.open({ mail })
      let made = 0
      for (const one of acts) {
        if (one.act === 'pass') await own.pass(one.ms)
        else if (one.act === 'lines')
          await own.append(...Array.from({ length: one.count }, () => enrolled(`n${++made}`)))
        else {
          await notices.stop()
          notices = await own.open({ mail })
        }
      }
      await own.pass(3 * hour)
      const letters = await listDeadLetters(own.store.read, 100)
      const buried = letters.flatMap((letter) => letter.notices)
      const counted = [...mail.taken.flat(), ...buried].reduce(
        (total, { event, details }) =>
          total + (event === 'notice.more' ? Number(details.count) : 1),
        0,
      )
      assert.equal(counted, made)
      const told = mail.taken.flat().filter(({ event }) => event === 'node.enrol')
      const numbers = told.map(({ subject }) => Number(subject.slice(1)))
      assert.deepEqual(
        numbers,
        [...numbers].sort((a, b) => a - b),
      )
      assert.equal(new Set(numbers).size, numbers.length, 'none is told twice')
      await own.close()
    }),
    { numRuns: 40 },
  )
})
