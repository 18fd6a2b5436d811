/** Records of the products themselves, with what a person derived from them by hand. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { Alert } from '#contract/alert.ts'
import { severityName } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { load, now } from './samples.ts'

const shared = new URL('../../../shared/contracts/samples/', import.meta.url)
const ours =
  /^(wazuh\/(alerts|indexer)|suricata\/(eve|fast)|elastic\/(alerts|polling|webhook)\/|splunk\/(webhook|export|alert))/
const skip = existsSync(shared) ? false : 'the shared samples are not beside this repository'

const Expected = z.object({
  id: z.string(),
  file: z.string(),
  line: z.number().optional(),
  parse: z.string(),
  parse_alt: z.array(z.string()).default([]),
  attackers: z.array(z.string()).default([]),
  attackers_alt: z.array(z.array(z.string())).default([]),
  victims: z.array(z.string()).default([]),
  never_block: z.array(z.string()).default([]),
  rule_id: z.string().nullish(),
  severity: z.string().nullish(),
  severity_alt: z.array(z.string()).default([]),
  user: z.string().nullish(),
  user_alt: z.array(z.string().nullable()).default([]),
  host: z.string().nullish(),
  host_alt: z.array(z.string()).default([]),
  time_utc: z.string().nullish(),
  already_blocked: z.boolean().optional(),
  secret_fields: z.array(z.string()).default([]),
  note: z.string().default(''),
})
type Expected = z.infer<typeof Expected>
const Page = z.object({ hits: z.object({ hits: z.array(z.unknown()) }) })

const rows = skip
  ? []
  : readFileSync(new URL('expected.ndjson', shared), 'utf8')
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
      .filter((row) => ours.test(z.object({ file: z.string().catch('') }).parse(row).file))
      .map((row) => Expected.parse(row))

describe('the samples of the products give what a person reads in them', { skip }, () => {
  for (const row of rows.filter(({ parse }) => parse !== 'stream'))
    test(`${row.id} ${row.note}`, async () => {
      const read = await reader(row.file)
      check(row, outcome(read, recordOf(row)))
    })

  test('a record that was half written at midnight is read once, when it is whole', async () => {
    const read = await reader('wazuh/')
    for (const row of rows.filter(streamOf('wazuh/'))) {
      const lines = ['before.completed', 'after'].flatMap((part) =>
        linesOf(`${row.file}alerts.json.${part}`),
      )
      assert.deepEqual(
        lines.flatMap((line) => read(line)).map(({ attacker }) => attacker),
        row.attackers,
      )
      const half = linesOf(`${row.file}alerts.json.before`).at(-1)
      assert.throws(() => read(half), { code: 'malformed_json' })
    }
  })

  test('pages of Elastic that overlap give each alert once', async () => {
    const read = await reader('elastic/')
    for (const row of rows.filter(streamOf('elastic/'))) {
      const pages = linesOf(row.file).map((line) => Page.parse(JSON.parse(line)))
      const alerts = pages.flatMap(({ hits }) => hits.hits.flatMap((hit) => read(hit)))
      const once = new Map(alerts.map(({ id, attacker }) => [id, attacker]))
      assert.equal(once.size, row.attackers.length)
      assert.deepEqual([...once.values()].sort(), row.attackers)
    }
  })

  test('rows of a Splunk export that are a preview are not taken', async () => {
    const read = await reader('splunk/')
    for (const row of rows.filter(streamOf('splunk/')))
      assert.deepEqual(
        linesOf(row.file).flatMap((line) => read(JSON.parse(line)).map(({ attacker }) => attacker)),
        row.attackers,
      )
  })
})

function streamOf(folder: string) {
  return ({ parse, file }: Expected) => parse === 'stream' && file.startsWith(folder)
}

function check(row: Expected, [kind, alerts]: [kind: string, alerts: Alert[]]): void {
  oneOf(kind, [row.parse, ...row.parse_alt])
  if (kind !== 'alert') return
  const attackers = alerts.flatMap(({ attacker }) => attacker ?? [])
  oneOf(attackers, [row.attackers, ...row.attackers_alt])
  for (const address of row.never_block) assert.ok(!attackers.includes(address), address)
  for (const alert of alerts) checkAlert(row, alert)
}

function checkAlert(row: Expected, alert: Alert): void {
  oneOf(alert.victim?.address, row.victims.length > 0 ? row.victims : [undefined])
  if (row.rule_id) assert.equal(alert.rule.id, row.rule_id)
  if (row.severity) oneOf(severityName(alert.rule.severity), [row.severity, ...row.severity_alt])
  for (const secret of row.secret_fields) assert.ok(!alert.original.includes(secret), secret)
  if (row.user !== undefined)
    oneOf(
      alert.user,
      [row.user, ...row.user_alt].map((user) => (user ? printable(user) : undefined)),
    )
  // A sensor that saw an attack on somebody else is not the victim, so its name is not there.
  if (alert.victim?.host !== undefined) oneOf(alert.victim.host, [row.host, ...row.host_alt])
  if (row.time_utc) assert.equal(alert.observed, row.time_utc)
  if (row.already_blocked) assert.equal(alert.blocked, true)
}

function outcome(read: Read, record: unknown): [kind: string, alerts: Alert[]] {
  try {
    const alerts = read(record)
    return [alerts.length > 0 ? 'alert' : 'ignore', alerts]
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return ['reject', []]
  }
}

type Read = (record: unknown) => Alert[]

async function reader(file: string): Promise<Read> {
  const connector = await load(file.split('/')[0] ?? '')
  const settings = connector.settings.parse({})
  return (record) => connector.read?.(record, { settings, now }) ?? []
}

/** What is pushed or asked for comes parsed; everything else is followed as text. */
function recordOf({ file, line }: Expected): unknown {
  const text = linesOf(file)[(line ?? 1) - 1]
  return /^(wazuh\/indexer|elastic|splunk)/.test(file) ? JSON.parse(text ?? '') : text
}

function linesOf(file: string): string[] {
  return readFileSync(new URL(file, shared), 'utf8').replace(/\n$/, '').split('\n')
}

function oneOf(actual: unknown, allowed: unknown[]): void {
  assert.ok(
    allowed.some((candidate) => JSON.stringify(candidate) === JSON.stringify(actual)),
    `${JSON.stringify(actual)} is none of ${JSON.stringify(allowed)}`,
  )
}
