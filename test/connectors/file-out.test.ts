/** Results in a file: whole lines, each at least once, rotation by name, and what happens when the disk says no. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Result, Sink } from '#contract/result.ts'
import { connector } from '../../connectors/file-out/connector.ts'
import { connector as wazuh } from '../../connectors/wazuh/connector.ts'

const never = new AbortController().signal

test('every result is one line with its id, and a mark that it is ours', async (t) => {
  const { sink, lines } = open(t)
  assert.deepEqual(await sink.take([result('a'), result('b')], never), [])
  await sink.take([result('c')], never)
  const documents = lines().map(parse)
  assert.deepEqual(
    documents.map(({ event }) => event.id),
    ['a', 'b', 'c'],
  )
  assert.ok(documents.every(({ integration }) => integration === 'cordon'))
  assert.equal(
    documents[0]?.event.action,
    'decision.issue',
    'the rest of the document is as it was',
  )
})

test('Wazuh hands our own line back, and it is no attack, whatever rule it matched', async (t) => {
  const { sink, lines } = open(t)
  await sink.take([result('a')], never)
  const alert = {
    timestamp: '2026-03-01T03:00:00.000+0000',
    rule: { id: '110801', level: 10, groups: ['authentication_failures'] },
    agent: { id: '001', name: 'cordon' },
    id: '1.1',
    data: parse(lines()[0] ?? ''),
    location: '/var/log/cordon/results.json',
  }
  const context = { settings: wazuh.settings.parse({}), now: 0 }
  assert.deepEqual(wazuh.read?.(alert, context), [])
})

test('what a crash left of a line is taken back before the next one', async (t) => {
  const { sink, path, lines } = open(t)
  await sink.take([result('a')], never)
  appendFileSync(path, '{"event":{"id":"torn')
  await sink.take([result('b')], never)
  assert.deepEqual(
    lines().map((line) => parse(line).event.id),
    ['a', 'b'],
  )
})

test('a full file is renamed, older ones move on, and the oldest is dropped', async (t) => {
  const { sink, path } = open(t, { rotate_at: 100_000, rotated: 2 })
  for (const id of ['a', 'b', 'c', 'd'])
    await sink.take([result(id, 'x'.repeat(50_000)), result(`${id}2`, 'x'.repeat(50_000))], never)
  const first = (name: string) => parse(readFileSync(name, 'utf8').split('\n')[0] ?? '').event.id
  assert.equal(existsSync(path), false, 'the next line begins a new file')
  assert.deepEqual([first(`${path}.1`), first(`${path}.2`)], ['d', 'c'])
  assert.equal(existsSync(`${path}.3`), false)
  await sink.take([result('e')], never)
  assert.equal(first(path), 'e')
})

test('a change of policy too long for a reader goes without what was before and after', async (t) => {
  const { sink, lines } = open(t, { longest_line: 5_000 })
  const refusals = await sink.take([result('a', 'x'.repeat(9_000)), huge('b'), result('c')], never)
  assert.deepEqual(
    refusals.map(({ id, problem }) => [id, problem.code]),
    [['b', 'too_large']],
  )
  const [cut, whole] = lines().map(parse)
  assert.deepEqual([cut?.event.id, cut?.cordon.cut, cut?.cordon.after], ['a', true, undefined])
  assert.deepEqual([whole?.event.id, whole?.cordon.cut], ['c', undefined])
})

test('a folder that is not there is told as a problem to be tried again, and nothing is lost', async (t) => {
  const { sink, folder, lines } = open(t)
  rmSync(folder, { recursive: true })
  await assert.rejects(sink.take([result('a')], never), { code: 'store_unavailable' })
  mkdirSync(folder)
  await sink.take([result('a')], never)
  assert.equal(lines().length, 1)
})

for (const size of [20, 2_000_000])
  test(`a file of ${size} bytes that holds no lines of ours is not touched`, async (t) => {
    const { sink, path } = open(t)
    writeFileSync(path, Buffer.alloc(size, 'x'))
    await assert.rejects(sink.take([result('a')], never), { code: 'setting_invalid' })
    assert.equal(statSync(path).size, size)
  })

test('no line may be longer than what is taken back of one that a crash cut off', async (t) => {
  assert.equal(connector.settings.safeParse({ longest_line: 1_048_577 }).success, false)
  const { sink, path, lines } = open(t, { longest_line: 1_048_576 })
  await sink.take([result('a')], never)
  const whole = statSync(path).size
  await sink.take([result('b', 'x'.repeat(1_000_000))], never)
  truncateSync(path, statSync(path).size - 1)
  assert.ok(statSync(path).size - whole > 1_000_000)
  await sink.take([result('c')], never)
  assert.deepEqual(
    lines().map((line) => parse(line).event.id),
    ['a', 'c'],
  )
})

test('others cannot read it, its group can', async (t) => {
  const { sink, path } = open(t)
  await sink.take([result('a')], never)
  assert.equal(statSync(path).mode & 0o777, 0o640)
})

test('only the actions that are wanted are taken, and without a path there is no file', (t) => {
  const { sink } = open(t, { actions: ['decision.*', 'receipt.failed'] })
  const wanted = ['decision.issue', 'receipt.failed', 'receipt.applied', 'policy.change']
  assert.deepEqual(
    wanted.filter((action) => sink.wants(action)),
    ['decision.issue', 'receipt.failed'],
  )
  assert.deepEqual(connector.sinks?.(connector.settings.parse({})), [])
})

test('trying the settings writes nothing and says what is wrong', async (t) => {
  const { path, folder } = open(t)
  const found = await connector.test?.(connector.settings.parse({ path }), never)
  assert.deepEqual(
    found?.map((one) => 'found' in one),
    [true, true],
  )
  assert.equal(existsSync(path), false)
  const missing = connector.settings.parse({ path: join(folder, 'no', 'file') })
  const [first] = (await connector.test?.(missing, never)) ?? []
  assert.ok(first && 'problem' in first && first.problem.code === 'no_privilege')
})

function open(t: TestContext, more: Record<string, unknown> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-file-out-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'results.json')
  const [sink] = connector.sinks?.(connector.settings.parse({ path, ...more })) ?? []
  assert.ok(sink)
  const lines = () => readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return { sink: sink satisfies Sink, path, folder, lines }
}

type Document = {
  event: { id?: string; action?: string }
  integration?: string
  cordon: { cut?: boolean; after?: string }
}
function parse(line: string): Document {
  return JSON.parse(line)
}

function result(id: string, after = '{}'): Result {
  return {
    id,
    at: 0,
    action: 'decision.issue',
    alerts: [],
    document: {
      event: { action: 'decision.issue' },
      source: { ip: '203.0.113.7' },
      cordon: { target: '203.0.113.7', after },
    },
  }
}

function huge(id: string): Result {
  return { ...result(id), document: { message: 'x'.repeat(9_000), event: {}, cordon: {} } }
}
