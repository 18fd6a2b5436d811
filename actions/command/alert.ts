/** `cordon alert list|show|send`: alerts as they were stored, and alerts from a file. */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { toProblem } from '#contract/problem.ts'
import { answer, queryOf } from './answer.ts'
import { AlertAnswer } from './answers.ts'
import { type Client, openClient } from './client.ts'
import type { Handler, Io } from './command.ts'
import { printAlerts } from './decision.ts'
import { printFields, printWhen } from './paint.ts'
import { openProgress } from './progress.ts'
import { readRecords, sizeOf } from './read-records.ts'

const batchRecords = 500
const batchBytes = 4 * 1024 * 1024
const attempts = 10
/** Of refused records, so many are told on the terminal; `--json` has all. */
const toldRefusals = 10

const Sent = z.looseObject({
  stored: z.int(),
  repeats: z.int(),
  ignored: z.int(),
  refused: z.int(),
  items: z.array(
    z.looseObject({
      index: z.int(),
      problem: z.looseObject({ detail: z.string(), remedy: z.string().optional() }).optional(),
    }),
  ),
})
type Refusal = { record: number; detail: string; remedy: string | undefined }

export const listAlerts: Handler = async (asked, io) => {
  const query = queryOf({ attacker: asked.option('attacker'), limit: asked.option('limit') })
  const Listed = z.looseObject({
    alerts: z.array(z.looseObject({ alert: AlertAnswer, decision: z.string() })),
  })
  const { alerts } = await openClient(io.environment).get(`/v1/alerts${query}`, Listed)
  answer(asked, io, alerts, () =>
    printAlerts(
      alerts.map(({ alert }) => alert),
      io,
    ),
  )
  return 0
}

export const showAlert: Handler = async (asked, io) => {
  const Shown = z.looseObject({
    alert: AlertAnswer.extend({ original: z.string() }),
    decision: z.string(),
  })
  const path = `/v1/alerts/by-id/${encodeURIComponent(asked.argument('id'))}`
  const { alert, decision } = await openClient(io.environment).get(path, Shown)
  answer(
    asked,
    io,
    { alert, decision },
    () =>
      `${printFields([
        ['alert', alert.id],
        ['source', alert.source],
        ['observed', printWhen(alert.observed, io.now())],
        ['rule', `${alert.rule.id} ${alert.rule.name}`],
        ['severity', String(alert.rule.severity)],
        ['attacker', alert.attacker ?? 'none'],
        ['victim', [alert.victim?.host, alert.victim?.address].filter(Boolean).join(' ')],
        ['user', alert.user],
        ['decision', decision],
      ])}\n${printable(alert.original, 20_000)}\n`,
  )
  return 0
}

export const sendAlerts: Handler = async (asked, io) => {
  const file = asked.argument('file')
  const client = openClient(io.environment)
  const path = `/v1/alerts/${encodeURIComponent(asked.required('connector'))}`
  const progress = openProgress(io, 'sent', sizeOf(file))
  const total = { stored: 0, repeats: 0, ignored: 0, refused: 0 }
  const refusals: Refusal[] = []
  let before = 0
  for await (const { records, end } of batches(file, io)) {
    const sent = await sendBatch(client, path, records)
    for (const key of ['stored', 'repeats', 'ignored', 'refused'] as const) total[key] += sent[key]
    for (const { index, problem } of sent.items)
      if (problem)
        refusals.push({
          record: before + index + 1,
          detail: problem.detail,
          remedy: problem.remedy,
        })
    before += records.length
    progress.at(end)
  }
  progress.end()
  if (!asked.json) tellRefusals(refusals, io)
  answer(asked, io, { ...total, refusals }, () => printTotal(total))
  return total.refused > 0 ? 1 : 0
}

async function* batches(file: string, io: Io) {
  let records: unknown[] = []
  let [bytes, last] = [0, 0]
  for await (const { record, end } of readRecords(file, io)) {
    bytes += typeof record === 'string' ? record.length : JSON.stringify(record).length
    records.push(record)
    last = end
    if (records.length < batchRecords && bytes < batchBytes) continue
    yield { records, end }
    records = []
    bytes = 0
  }
  if (records.length > 0) yield { records, end: last }
}

/** Sending again is harmless: what was stored before is recognised. */
async function sendBatch(client: Client, path: string, records: unknown[]) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.post(path, records, Sent)
    } catch (error) {
      const { code } = toProblem(error)
      const busy = code === 'overloaded' || code === 'rate_limited'
      if (!busy || attempt === attempts) throw error
      await pause(1_000)
    }
  }
}

function tellRefusals(refusals: readonly Refusal[], io: Io): void {
  for (const { record, detail, remedy } of refusals.slice(0, toldRefusals))
    io.err(`record ${record}: ${printable(detail)}${remedy ? `; ${printable(remedy)}` : ''}\n`)
  const more = refusals.length - toldRefusals
  if (more > 0) io.err(`and ${more} more were refused; --json has all\n`)
}

function printTotal({ stored, repeats, ignored, refused }: Record<string, number>): string {
  return `${stored} stored, ${repeats} known already, ${ignored} that are no alerts, ${refused} refused\n`
}
