/** What every connector promises, for each folder in connectors/: a new one is tested by being there. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { Alert } from '#contract/alert.ts'
import type { Connector } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { comparable, folder, load, names, now } from './samples.ts'

for (const name of names)
  describe(`the ${name} connector`, async () => {
    const connector = await load(name)
    const samples = samplesOf(name)

    test('is named as its folder and has a title', () => {
      assert.equal(connector.name, name)
      assert.ok(connector.title.length > 0)
    })

    test('needs no settings, and refuses a setting that it does not know', () => {
      assert.equal(connector.settings.safeParse({}).success, true)
      assert.equal(connector.settings.safeParse({ no_such_setting: 1 }).success, false)
    })

    test('offers sources with names of their own, and none without settings for them', () => {
      assert.deepEqual(connector.sources?.(connector.settings.parse({})) ?? [], [])
    })

    test('is for something', () => {
      const { read, lookup, publisher, sinks, serve } = connector
      assert.ok(read ?? lookup ?? publisher ?? sinks ?? serve)
    })

    if (!connector.read) return
    test('has samples', () => assert.ok(samples.length > 0))

    for (const sample of samples)
      test(`reads ${sample.file} as ${sample.file.replace(/\.in\.\w+$/, '.out.json')} says`, () => {
        const read = reader(connector, sample.settings)
        const before = JSON.stringify(sample.records)
        const alerts = sample.records.flatMap(read)
        assert.deepEqual(alerts.map(comparable), sample.expected)
        assert.deepEqual(sample.records.flatMap(read), alerts, 'the same record twice is the same')
        assert.equal(JSON.stringify(sample.records), before, 'a record is never changed')
        for (const alert of alerts) {
          assert.deepEqual(Alert.parse(alert), alert)
          assert.ok(sample.originals.includes(alert.original), 'the original is kept verbatim')
        }
      })

    test('gives one id to one record however late it is read again', () => {
      for (const { records, settings } of samples) {
        const early = records.flatMap(reader(connector, settings))
        const late = records.flatMap(reader(connector, settings, now + 5_000))
        assert.deepEqual(
          early.map(({ id }) => id),
          late.map(({ id }) => id),
        )
      }
    })

    test('answers junk with nothing or with a problem that says what to do', () => {
      const read = reader(connector)
      for (const record of [...junk(), ...spoiled(samples.flatMap(({ records }) => records))])
        check(read, record)
    })

    test('hands on a problem of its source', () => {
      const problem = new Problem('invalid_input', 'a line was too long')
      assert.throws(() => reader(connector)(problem), problem)
    })
  })

function check(read: (record: unknown) => Alert[], record: unknown): void {
  const from = process.cpuUsage()
  try {
    for (const alert of read(record)) Alert.parse(alert)
  } catch (error) {
    assert.ok(error instanceof Problem, `${String(error)} for ${show(record)}`)
    assert.ok(error.remedy, `no remedy for ${show(record)}`)
  }
  // Thousands of records a second are usual; one that works the service for seconds is an attack.
  const { user, system } = process.cpuUsage(from)
  assert.ok(user + system < 2e6, `slow: ${show(record)}`)
}

type Sample = {
  file: string
  settings: unknown
  records: unknown[]
  originals: string[]
  expected: unknown
}

/** `x.in.json` is one pushed record, `x.in.log` followed lines; `x.settings.json` is optional. */
function samplesOf(name: string): Sample[] {
  const at = new URL(`${name}/sample/`, folder)
  if (!existsSync(at)) return []
  const json = (file: string): unknown => JSON.parse(readFileSync(new URL(file, at), 'utf8'))
  return readdirSync(at)
    .filter((file) => /\.in\.(json|log)$/.test(file))
    .map((file) => {
      const stem = file.replace(/\.in\.\w+$/, '')
      const settings = `${stem}.settings.json`
      const records = file.endsWith('.json')
        ? [json(file)]
        : readFileSync(new URL(file, at), 'utf8').trimEnd().split('\n')
      return {
        file,
        settings: existsSync(new URL(settings, at)) ? json(settings) : {},
        records,
        originals: records.flatMap(textsOf),
        expected: json(`${stem}.out.json`),
      }
    })
}

/** A body may hold several records, of which each alert keeps its own. */
function textsOf(record: unknown): string[] {
  if (typeof record === 'string') return [record]
  const inner = typeof record === 'object' && record !== null ? Object.values(record) : []
  return [record, ...inner.flat()].map((part) => JSON.stringify(part) ?? '')
}

function reader(connector: Connector, settings: unknown = {}, at = now) {
  const parsed = connector.settings.parse(settings)
  return (record: unknown) => connector.read?.(record, { settings: parsed, now: at }) ?? []
}

function junk(): unknown[] {
  const deep = '['.repeat(50_000) + ']'.repeat(50_000)
  const million = 'a'.repeat(1_000_000)
  const scalars = [
    null,
    undefined,
    true,
    0,
    -1,
    1.5,
    Number.NaN,
    10n,
    '',
    ' ',
    '\n',
    '{',
    '{}',
    '[]',
  ]
  const texts = ['null', '7', '"text"', '{"a":', '<html></html>', '\u0000', '\uFEFF', million]
  return [
    ...scalars,
    ...texts,
    {},
    [],
    [[]],
    [null],
    () => 1,
    JSON.parse(deep),
    `{"rule":${deep}}`,
    JSON.parse('{"__proto__":{"rule":{"id":"1"}},"constructor":{"prototype":{"rule":1}}}'),
    '{"__proto__":{"event_type":"alert"},"toString":null,"hasOwnProperty":1}',
    `06/01/2026-08:00:00.000001  [**] [1:1:1] ${'[**] [Classification: ] [Priority: 1] {'.repeat(400)}`,
    `06/01/2026-08:00:00.000001  ${'[**] [Classification: '.repeat(40_000)}`,
  ]
}

/** Good records with every field in turn replaced by what no product writes. */
function spoiled(records: unknown[]): unknown[] {
  const values = [
    null,
    0,
    -1e300,
    '',
    'x'.repeat(100_000),
    [],
    {},
    [[1]],
    '\u202e\u0000',
    deepObject(),
  ]
  return records.flatMap((record) => {
    const parsed = asObject(record)
    return Object.keys(parsed).flatMap((key) => [
      ...values.map((value) => ({ ...parsed, [key]: value })),
      ...Object.keys(asObject(parsed[key])).flatMap((inner) =>
        values.map((value) => ({ ...parsed, [key]: { ...asObject(parsed[key]), [inner]: value } })),
      ),
    ])
  })
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return { ...value }
  try {
    const parsed: unknown = JSON.parse(typeof value === 'string' ? value : 'null')
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}

function deepObject(): unknown {
  let value: unknown = 1
  for (let depth = 0; depth < 20_000; depth++) value = { a: value }
  return value
}

function show(record: unknown): string {
  try {
    return (JSON.stringify(record) ?? String(record)).slice(0, 200)
  } catch {
    return 'a record that is too deep to show'
  }
}
