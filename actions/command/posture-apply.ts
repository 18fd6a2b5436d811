/** `cordon posture diff|apply|remove`: the service is asked, and nodes are waited for. */
import { setTimeout as pause } from 'node:timers/promises'
import { readDuration } from '#contract/duration.ts'
import { confirmSeconds } from '#contract/posture.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { answer } from './answer.ts'
import { Message } from './answers.ts'
import { type Client, openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { paint } from './paint.ts'
import { adminsOf, readTheFile, tellWarnings } from './posture.ts'
import {
  AppliedPostures,
  fetchPostures,
  Proposals,
  readAudience,
  type StandingPosture,
} from './posture-answers.ts'

const lookAgainMs = 500
/** A node tells with its heartbeat what it came to; one comes at once when there is news. */
const graceMs = 15_000
/** Of whoever has not been heard of by then nobody knows whether it has. */
const kept: ReadonlySet<string> = new Set(['applied', 'planned'])

export const diffPosture: Handler = async (asked, io) => {
  const client = openClient(io.environment)
  const { proposals } = await client.post('/v1/posture/diff', bodyOf(asked, io), Proposals)
  answer(asked, io, proposals, () =>
    proposals.map(({ audience, diff }) => printDiff(io, audience, diff)).join(''),
  )
  for (const { audience, warnings } of proposals) tellWarnings(io, audience, warnings)
  return 0
}

export const applyPosture: Handler = async (asked, io) => {
  const client = openClient(io.environment)
  const reason = asked.option('reason')
  const body = { ...bodyOf(asked, io), reason, ...readConfirm(asked.option('confirm')) }
  const { applied } = await client.post('/v1/posture/apply', body, AppliedPostures)
  for (const { audience, warnings } of applied) tellWarnings(io, audience, warnings)
  const news = applied.filter(({ signed }) => signed)
  const within = Math.max(0, ...applied.map((one) => one.confirm * 1_000)) + graceMs
  const names = applied.map(({ audience }) => audience)
  const nodes = asked.flag('wait') ? await settled(client, names, within) : []
  answer(asked, io, { applied, ...(asked.flag('wait') && { nodes }) }, () =>
    [
      ...applied.map((one) =>
        one.signed
          ? printDiff(io, one.audience, one.diff) + printApplied(one)
          : `${printable(one.audience)} is in force as it is\n`,
      ),
      ...nodes.flatMap(printNodes),
      ...(news.length > 0 && nodes.length === 0
        ? [`"${io.self} posture list" shows how each node stands to it\n`]
        : []),
    ].join(''),
  )
  return nodes.every((one) => one.nodes.every(({ status }) => kept.has(status))) ? 0 : 3
}

export const removePosture: Handler = async (asked, io) => {
  const audience = readAudience(asked.argument('audience'))
  const body = { audience, reason: asked.option('reason') }
  const done = await openClient(io.environment).post('/v1/posture/remove', body, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

/** Throws `invalid_input`. */
function readConfirm(length: string | undefined): { confirm?: number } {
  if (length === undefined) return {}
  const confirm = Math.round(readDuration(length) / 1_000)
  if (confirm >= confirmSeconds.least && confirm <= confirmSeconds.most) return { confirm }
  throw new Problem('invalid_input', `a node cannot be given ${length} to confirm`, {
    remedy: 'write 10s to 10m, such as --confirm 60s',
  })
}

function bodyOf(asked: Asked, io: Io): { text?: string; admins: string[] } {
  const [file] = asked.words('file')
  const admins = adminsOf(asked, io).map(({ text }) => text)
  return { ...(file !== undefined && { text: readTheFile(file) }), admins }
}

/** Until no node is trying any more, and who is connected has said something; or the time is over. */
async function settled(
  client: Client,
  audiences: readonly string[],
  withinMs: number,
): Promise<StandingPosture[]> {
  const until = performance.now() + withinMs
  for (;;) {
    const all = (await fetchPostures(client)).filter(({ audience }) => audiences.includes(audience))
    const open = all.some(({ nodes }) =>
      nodes.some(({ status }) => status === 'trying' || status === 'unheard'),
    )
    if (!open || performance.now() > until) return all
    await pause(lookAgainMs)
  }
}

type Diff = { change: 'new' | 'changed' | 'same'; lines: readonly string[] }

function printDiff(io: Io, audience: string, { change, lines }: Diff): string {
  const heading = paint(io, 'out', 'bold', `${printable(audience)}: ${changeWords[change]}`)
  const coloured = lines.map((line) => {
    const text = printable(line, 1_000)
    if (line.startsWith('+')) return paint(io, 'out', 'green', text)
    return line.startsWith('-') ? paint(io, 'out', 'red', text) : text
  })
  return `${[heading, ...coloured].join('\n')}\n`
}

const changeWords = { new: 'new', changed: 'changed', same: 'nothing changes' } as const

function printApplied({ audience, confirm }: { audience: string; confirm: number }): string {
  return `${printable(audience)} is applied; a node that does not reach the service within ${confirm} s goes back: its kernel keeps the time, even if the agent dies\n`
}

function printNodes({ audience, nodes }: StandingPosture): string[] {
  if (nodes.length === 0) return [`${printable(audience)} has no nodes\n`]
  return nodes.map(
    ({ node, status, detail }) =>
      `${printable(audience)} on ${printable(node)}: ${status}${detail === null ? '' : `, ${printable(detail)}`}\n`,
  )
}
