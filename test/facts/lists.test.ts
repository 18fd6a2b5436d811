/** Lists that are fetched, break, come back and outlive a restart, from a real web server and real files. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { pino } from 'pino'
import { type Address, readAddress } from '#contract/address.ts'
import { type Lists, openLists } from '../../actions/facts/lists/lists.ts'
import { ListsSettings } from '../../actions/facts/lists/settings.ts'
import { type ListServer, says, saysWithEtag, startListServer } from './list-server.ts'

const hour = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'cordon-lists-'))
after(() => rmSync(folder, { recursive: true }))

let now = Date.UTC(2026, 2, 1)
let dir = ''
let folders = 0
let server: ListServer
let guarded: Address[] = []
beforeEach(async () => {
  now = Date.UTC(2026, 2, 1)
  dir = join(folder, String(folders++))
  guarded = []
  server = await startListServer()
})
afterEach(() => server.close())

function open(more: Record<string, unknown> = {}, timeoutMs = 5_000, asks = fetch): Lists {
  const list = { name: 'example', ...(more.file === undefined && { url: server.url }), ...more }
  return openLists(ListsSettings.parse([list]), {
    now: () => now,
    random: () => 0.5,
    fetch: asks,
    dir,
    log: pino({ level: 'silent' }),
    protectedNetworks: () => guarded,
    timeoutMs,
  })
}

const on = (lists: Lists, text: string) => lists.namesOf(readAddress(text)).includes('example')
const shown = (lists: Lists) => {
  const [state] = lists.sources()
  assert.ok(state)
  return state
}
const later = (lists: Lists, ms: number) => {
  now += ms
  return lists.look()
}
const hosts = (count: number) =>
  `# example\n${Array.from({ length: count }, (_, n) => `198.51.100.${n}`).join('\n')}\n`

/** A list is in force, then its source does the wrong thing: what was good stays, and the trouble is shown. */
async function afterGood(
  answer: ListServer['answer'],
  more: Record<string, unknown> = {},
  ms?: number,
) {
  server.answer = saysWithEtag(hosts(100), '"good"')
  const lists = open(more, ms)
  await lists.look()
  assert.equal(shown(lists).problem, undefined)
  assert.ok(on(lists, '198.51.100.7'))
  server.answer = answer
  await later(lists, 2 * hour)
  assert.ok(on(lists, '198.51.100.7'), 'the last good copy stays in force')
  assert.equal(shown(lists).state, 'ready')
  return { lists, problem: shown(lists).problem }
}

describe('a list that fares well', () => {
  test('is silent before its first text, and then says which addresses it holds', async () => {
    server.answer = says('192.0.2.0/24\n2001:db8::/32\n')
    const lists = open()
    assert.deepEqual([lists.ready('example'), shown(lists).state], [false, 'silent'])
    await lists.look()
    assert.deepEqual([lists.ready('example'), lists.ready('other')], [true, false])
    assert.deepEqual(
      ['192.0.2.7', '192.0.2.0/25', '2001:db8::7'].map((text) => on(lists, text)),
      [true, true, true],
    )
    assert.deepEqual(
      ['192.0.2.0/23', '198.51.100.1', '2001:db9::1'].map((text) => on(lists, text)),
      [false, false, false],
    )
    assert.deepEqual(
      [...lists.entries('example')].map(({ text }) => text),
      ['192.0.2.0/24', '2001:db8::/32'],
    )
    assert.throws(() => lists.entries('exmaple'), { code: 'not_found' })
  })
  test('is asked at its interval with its ETag, and 304 confirms it', async () => {
    server.answer = saysWithEtag(hosts(3), '"one"')
    const lists = open()
    await lists.look()
    await later(lists, hour - 1)
    assert.equal(server.asked.length, 1)
    await later(lists, hour / 10)
    assert.equal(server.asked.length, 2)
    assert.equal(server.asked[1]?.headers['if-none-match'], '"one"')
    assert.equal(shown(lists).details.confirmed, new Date(now).toISOString())
    assert.equal(shown(lists).age, 0)
  })
  test('is asked with Last-Modified where there is no ETag, and that is the age of its data', async () => {
    server.answer = says(hosts(3), { 'last-modified': 'Sat, 28 Feb 2026 00:00:00 GMT' })
    const lists = open()
    await lists.look()
    assert.equal(shown(lists).age, 24 * hour)
    await later(lists, 2 * hour)
    assert.equal(server.asked[1]?.headers['if-modified-since'], 'Sat, 28 Feb 2026 00:00:00 GMT')
  })
  test('that changes without ETag is taken, and nobody is told when it did not change', async () => {
    server.answer = says('192.0.2.1\n')
    const lists = open()
    const told: string[] = []
    lists.onChange((name) => told.push(name))
    await lists.look()
    await later(lists, 2 * hour)
    assert.deepEqual(told, ['example'])
    server.answer = says('192.0.2.2\n')
    await later(lists, 2 * hour)
    assert.deepEqual(
      [told.length, on(lists, '192.0.2.1'), on(lists, '192.0.2.2')],
      [2, false, true],
    )
  })
  test('that is empty on purpose is ready, and says "not listed"', async () => {
    server.answer = says('[]')
    const lists = open()
    await lists.look()
    assert.deepEqual([lists.ready('example'), shown(lists).details.entries], [true, 0])
  })
  test('can be asked at once by a person', async () => {
    server.answer = says('192.0.2.1\n')
    const lists = open()
    await lists.look()
    server.answer = says('192.0.2.2\n')
    await lists.refresh('example')
    assert.ok(on(lists, '192.0.2.2'))
    await assert.rejects(lists.refresh('exmaple'), { code: 'not_found', remedy: /example/ })
  })
  test('with more lines than fit a moment is read beside the event loop', async () => {
    const lines = Array.from(
      { length: 20_000 },
      (_, n) => `198.${18 + (n >> 15)}.${(n >> 7) & 255}.${(n & 127) * 2}`,
    )
    server.answer = says(lines.join('\n'))
    const lists = open()
    await lists.look()
    assert.deepEqual([shown(lists).details.entries, shown(lists).details.ranges], [20_000, 20_000])
    assert.ok(on(lists, '198.18.3.4') && !on(lists, '198.18.3.5'))
    server.answer = says(`<html>${lines.join('\n')}`)
    await lists.refresh('example')
    assert.match(shown(lists).problem?.detail ?? '', /HTML/)
  })
  test('follows a redirect', async () => {
    server.answer = (request, response) => {
      if (request.url === '/list.txt') response.writeHead(302, { location: '/moved.txt' }).end()
      else response.end('192.0.2.1\n')
    }
    const lists = open()
    await lists.look()
    assert.ok(on(lists, '192.0.2.1'))
  })
})

describe('a list that fares badly keeps its last good copy', () => {
  test('when it turns to HTML with status 200', async () => {
    const { problem } = await afterGood(
      says('<!doctype html><p>Please log in', { 'content-type': 'text/html' }),
    )
    assert.match(problem?.detail ?? '', /turned to HTML/)
  })
  test('when it shrinks by 90 %, until somebody allows it or it is whole again', async () => {
    const { lists, problem } = await afterGood(says(hosts(10)))
    assert.match(problem?.detail ?? '', /shrank from 100 to 10/)
    server.answer = says(hosts(11))
    await later(lists, 2 * hour)
    assert.deepEqual([shown(lists).details.entries, shown(lists).problem], [11, undefined])
    server.answer = says('# nothing\n')
    await later(lists, 2 * hour)
    assert.match(shown(lists).problem?.detail ?? '', /shrank from 11 to 0/)
    const trusting = open({ shrink_limit: 1 })
    await later(trusting, 2 * hour)
    assert.deepEqual([shown(trusting).details.entries, trusting.ready('example')], [0, true])
  })
  test('when it is garbage', async () => {
    const { problem } = await afterGood(says('quota exceeded\nsee our offers\n'))
    assert.match(problem?.detail ?? '', /2 of 2 lines are no addresses/)
  })
  test('when it is cut in the middle by the connection', async () => {
    const { problem } = await afterGood((_, response) => {
      response.writeHead(200, { 'content-length': '2000' })
      response.write(hosts(50), () => response.destroy())
    })
    assert.deepEqual(
      [problem?.code, readdirSync(dir).some((file) => file.endsWith('.next'))],
      ['service_unreachable', false],
    )
  })
  test('when it is cut in the middle and only its heading tells', async () => {
    const { problem } = await afterGood(says(`# Entries : 90 unique IPs\n${hosts(60)}`))
    assert.match(problem?.detail ?? '', /cut: 60 of 90/)
  })
  test('when the server never answers, and when it never ends', async () => {
    const { problem } = await afterGood(() => undefined, {}, 150)
    assert.match(problem?.detail ?? '', /did not send all of it within 0.15 s/)
    const endless = await afterGood(
      (_, response) => void response.writeHead(200).write('192.0.2.1\n'),
      {},
      150,
    )
    assert.match(endless.problem?.detail ?? '', /did not send all of it/)
  })
  test('when it is larger than the limit, whether it says so or not', async () => {
    const long = hosts(200)
    const said = await afterGood(says(long, { 'content-length': String(long.length) }), {
      max_bytes: 2_000,
    })
    assert.equal(said.problem?.code, 'too_large')
    const unsaid = await afterGood(
      (_, response) => {
        response.write(long)
        response.end()
      },
      { max_bytes: 2_000 },
    )
    assert.equal(unsaid.problem?.code, 'too_large')
  })
  test('when it has more entries than allowed', async () => {
    const { problem } = await afterGood(says(hosts(102)), { max_entries: 101 })
    assert.match(problem?.detail ?? '', /more than 101 entries/)
  })
  test('when it redirects without end, or to plain HTTP elsewhere', async () => {
    const round = await afterGood(says('', { location: '/list.txt' }, 302))
    assert.match(round.problem?.detail ?? '', /more than 5 times/)
    const away = await afterGood(says('', { location: 'http://192.0.2.1/list.txt' }, 302))
    assert.match(away.problem?.detail ?? '', /address that is not asked/)
  })
  test('when the server answers 500 for long: it is asked less and less often, and taken again at once when it is well', async () => {
    const { lists, problem } = await afterGood(says('', {}, 500))
    assert.match(problem?.detail ?? '', /answers 500/)
    const before = server.asked.length
    const times: number[] = []
    for (let minute = 0; minute < 12 * 60; minute++) {
      const asked = server.asked.length
      await later(lists, 60_000)
      if (server.asked.length > asked) times.push(minute)
    }
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    assert.deepEqual(pauses.slice(0, 6), [2, 4, 8, 16, 32, 60])
    assert.ok(server.asked.length - before < 20)
    server.answer = says(`198.51.100.200\n${hosts(50)}`)
    await later(lists, hour)
    assert.deepEqual([shown(lists).problem, on(lists, '198.51.100.200')], [undefined, true])
  })
  test('when the server wants to be left alone it is, for as long as it said', async () => {
    const { lists } = await afterGood(says('', { 'retry-after': String(5 * 3_600) }, 429))
    const asked = server.asked.length
    await later(lists, 4 * hour)
    assert.equal(server.asked.length, asked)
    await later(lists, hour)
    assert.equal(server.asked.length, asked + 1)
  })
  test('when nobody listens there any more', async () => {
    server.answer = says(hosts(100))
    const lists = open()
    await lists.look()
    await server.close()
    await later(lists, 2 * hour)
    assert.deepEqual(
      [on(lists, '198.51.100.7'), shown(lists).problem?.code],
      [true, 'service_unreachable'],
    )
    server = await startListServer()
  })
})

describe('what no list can do', () => {
  test('send the service to itself: a redirect from elsewhere to this machine is not followed', async () => {
    const asked: string[] = []
    const answer: typeof fetch = async (input) => {
      asked.push(String(input))
      return new Response(null, { status: 302, headers: { location: server.url } })
    }
    const lists = open({ url: 'https://lists.example/x' }, 5_000, answer)
    await lists.look()
    assert.deepEqual([asked, server.asked.length], [['https://lists.example/x'], 0])
    assert.match(shown(lists).problem?.detail ?? '', /address that is not asked/)
  })
  test('a list that contains 0.0.0.0/0 does not list everybody: that entry is left out, and said', async () => {
    server.answer = says('0.0.0.0/0\n10.0.0.0/8\n192.0.2.1\n')
    const lists = open()
    await lists.look()
    assert.deepEqual(
      [on(lists, '198.51.100.1'), on(lists, '10.1.1.1'), on(lists, '192.0.2.1')],
      [false, false, true],
    )
    const { left_out_wide, left_out_bogon, left_out } = shown(lists).details
    assert.deepEqual(
      [left_out_wide, left_out_bogon, left_out],
      [1, 1, '0.0.0.0/0 (wide), 10.0.0.0/8 (bogon)'],
    )
  })
  test("a list that contains the node's own address loses that entry, also when the address came later", async () => {
    server.answer = says('192.0.2.0/24\n198.51.100.0/24\n')
    guarded = [readAddress('192.0.2.10')]
    const lists = open()
    await lists.look()
    assert.deepEqual([on(lists, '192.0.2.7'), on(lists, '198.51.100.7')], [false, true])
    assert.equal(shown(lists).details.left_out_protected, 1)
    guarded = [readAddress('198.51.100.10')]
    await later(lists, 1_000)
    assert.deepEqual([on(lists, '192.0.2.7'), on(lists, '198.51.100.7')], [true, false])
    assert.equal(server.asked.length, 1)
  })
})

describe('a restart', () => {
  test('has the last good copy at once, without a network, and asks when it is due', async () => {
    server.answer = saysWithEtag(hosts(5), '"one"')
    await open().look()
    now += 60_000
    const again = open()
    await again.look()
    assert.deepEqual([on(again, '198.51.100.3'), server.asked.length], [true, 1])
    await later(again, 2 * hour)
    assert.equal(server.asked[1]?.headers['if-none-match'], '"one"')
  })
  test('with another address under the same name starts anew', async () => {
    server.answer = says(hosts(5))
    await open().look()
    server.answer = says('', {}, 500)
    const other = open({ url: server.url.replace('list', 'other') })
    await other.look()
    assert.deepEqual([other.ready('example'), shown(other).state], [false, 'silent'])
  })
  test('with a copy that was damaged asks the source, and says nothing until then', async () => {
    server.answer = says('', {}, 500)
    const first = open()
    server.answer = says(hosts(5))
    await first.look()
    for (const file of readdirSync(dir).filter((name) => name.endsWith('.list')))
      writeFileSync(join(dir, file), '\u0000')
    server.answer = says('', {}, 500)
    const again = open()
    await again.look()
    assert.equal(again.ready('example'), false)
    server.answer = says(hosts(5))
    await later(again, 2 * hour)
    assert.ok(again.ready('example'))
  })
  test('leaves one copy on the disk, however often the list changed', async () => {
    const lists = open()
    for (let n = 1; n < 5; n++) {
      server.answer = says(hosts(n))
      await later(lists, 2 * hour)
    }
    assert.equal(readdirSync(dir).filter((file) => file.endsWith('.list')).length, 1)
    assert.deepEqual(readdirSync(dir).length, 2)
  })
  test('stops what is under way', async () => {
    server.answer = () => undefined
    const lists = open()
    const stop = lists.start()
    while (server.asked.length === 0) await new Promise(setImmediate)
    await stop()
    assert.equal(lists.ready('example'), false)
  })
})

describe('a list in a file', () => {
  const put = (text: string) => {
    const path = join(folder, `file-${folders}.txt`)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    return path
  }
  test('is read again when it changes, and what was refused is said until it changes', async () => {
    const file = put('192.0.2.1\n')
    const lists = open({ file })
    await lists.look()
    assert.ok(on(lists, '192.0.2.1'))
    put('<html>')
    await later(lists, 10_000)
    await later(lists, 10_000)
    assert.match(shown(lists).problem?.detail ?? '', /HTML/)
    assert.ok(on(lists, '192.0.2.1'))
    put('192.0.2.2\n')
    await later(lists, 10_000)
    assert.deepEqual([on(lists, '192.0.2.2'), shown(lists).problem], [true, undefined])
  })
  test('that is missing is silent, is found later, and survives its removal by its copy', async () => {
    const missing = join(folder, `file-${folders}.txt`)
    const lists = open({ file: missing })
    await lists.look()
    assert.deepEqual([lists.ready('example'), shown(lists).problem?.code], [false, 'not_found'])
    put('192.0.2.1\n')
    await later(lists, 10_000)
    assert.ok(on(lists, '192.0.2.1'))
    rmSync(missing)
    const again = open({ file: missing })
    await later(again, 10_000)
    assert.deepEqual([on(again, '192.0.2.1'), shown(again).problem?.code], [true, 'not_found'])
  })
})

describe('settings of lists', () => {
  const refuse = (list: Record<string, unknown>, what: RegExp) => {
    const read = ListsSettings.safeParse([{ name: 'x', url: 'https://lists.example/x', ...list }])
    assert.match(read.error?.issues.map(({ message }) => message).join() ?? '', what)
  }
  test('plain HTTP is for this machine itself', () => {
    refuse({ url: 'http://lists.example/x' }, /https/)
    refuse({ url: 'https://me:secret@lists.example/x' }, /without user and password/)
    assert.ok(ListsSettings.safeParse([{ name: 'x', url: 'http://127.0.0.1:8080/x' }]).success)
  })
  test('Spamhaus is asked once an hour at most', () => {
    refuse(
      { url: 'https://www.spamhaus.org/drop/drop_v4.json', interval: '30m' },
      /one fetch an hour/,
    )
    refuse({ interval: '1m' }, /5m or more/)
  })
  test('a list has one source, and a name of its own', () => {
    refuse({ file: '/tmp/x' }, /either url or file/)
    refuse({ url: undefined }, /either url or file/)
    refuse({ name: 'country' }, /taken/)
    refuse({ name: 'Bad Name' }, /lower-case/)
    const twice = ListsSettings.safeParse(Array(2).fill({ name: 'x', file: '/tmp/x' }))
    assert.match(twice.error?.issues[0]?.message ?? '', /same name/)
  })
})
