/** `cordon why`, `cordon lift` and `cordon blocked list`: addresses rather than decisions. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer } from './answer.ts'
import { DecisionAnswer } from './answers.ts'
import { type Client, openClient } from './client.ts'
import type { Handler, Io } from './command.ts'
import { confirmSeconds, onlyOf, printDecisions, printOutcome, verdictOf } from './decision.ts'
import { paint, printAgo, printColumns, printWhen } from './paint.ts'

const Decisions = z.array(DecisionAnswer)
const Why = z.looseObject({
  address: z.string(),
  ordered: z.boolean(),
  blocked: z.boolean(),
  until: z.string().nullable(),
  partly: z.boolean(),
  allowed: z
    .looseObject({ until: z.string(), by: z.string(), reason: z.string(), only: z.string() })
    .nullable(),
  decisions: Decisions,
  nodes: z.array(
    z.looseObject({
      node: z.string(),
      decision: z.string(),
      status: z.string(),
      detail: z.string().nullable(),
    }),
  ),
  as_peer: Decisions.default([]),
  unconfirmed: z
    .array(z.looseObject({ node: z.string(), decision: z.string(), until: z.string() }))
    .default([]),
  recent: Decisions,
})
type Why = z.infer<typeof Why>
const Lifted = z.looseObject({
  message: z.string(),
  lifted: Decisions,
  still_covered_by: Decisions,
  still_allowed_by: Decisions.default([]),
})
const Page = z.looseObject({ decisions: Decisions })

/** The largest page of the service. */
const pageSize = 1_000

export const why: Handler = async (asked, io) => {
  const path = `/v1/why?address=${encodeURIComponent(asked.argument('address'))}`
  const client = openClient(io.environment)
  const found = await client.get(path, Why)
  answer(asked, io, found, () => printWhy(found, io))
  return found.blocked ? 0 : 3
}

export const liftAddress: Handler = async (asked, io) => {
  const body = { target: asked.argument('address'), reason: asked.required('reason') }
  const path = `/v1/addresses/lift?wait_s=${confirmSeconds}`
  const done = await openClient(io.environment).post(path, body, Lifted)
  answer(asked, io, done, () =>
    [
      `${printable(done.message)}\n`,
      ...done.lifted.map((decision) => printOutcome(decision, io)),
      ...done.still_covered_by.map((decision) => `still: ${printOutcome(decision, io)}`),
      ...done.still_allowed_by.map((decision) => `stays: ${printOutcome(decision, io)}`),
    ].join(''),
  )
  if (done.still_allowed_by.length > 0)
    io.err(`hint: what allows it is ended by "${io.self} decision lift ID"\n`)
  return 0
}

/** All of it: a list of what is blocked that stops at a hundred would be taken for the whole. */
export const listBlocked: Handler = async (asked, io) => {
  const client = openClient(io.environment)
  const states = await Promise.all([inState(client, 'issued'), inState(client, 'applied')])
  const blocked = new Map(states.flat().map((decision) => [decision.id, decision]))
  const sorted = [...blocked.values()].sort((a, b) => b.created.localeCompare(a.created))
  answer(asked, io, sorted, () => printBlocked(sorted, io))
  return 0
}

async function inState(client: Client, state: string): Promise<DecisionAnswer[]> {
  const all: DecisionAnswer[] = []
  for (;;) {
    const before = all.at(-1)?.id
    const from = before === undefined ? '' : `&before=${before}`
    const path = `/v1/decisions?state=${state}&limit=${pageSize}${from}`
    const { decisions } = await client.get(path, Page)
    all.push(...decisions)
    if (decisions.length < pageSize) return all
  }
}

/** Of a line that is to fit on a screen; all of it is in "decision show". */
const longestNote = 40

function printBlocked(decisions: readonly DecisionAnswer[], io: Io): string {
  if (decisions.length === 0) return 'nothing is blocked\n'
  const rows = decisions.map((decision) => {
    const { target, not_after, hits, rule, actor, note, id } = decision
    return [
      target ?? '-',
      verdictOf(decision),
      onlyOf(decision),
      printAgo(not_after, io.now()),
      nodesOf(decision),
      hits ? String(hits.packets) : '-',
      hits ? printAgo(hits.last, io.now()) : '-',
      rule ?? `by ${actor ?? 'hand'}`,
      printable(note ?? '', longestNote) || '-',
      id,
    ]
  })
  const heads = [
    ...['ADDRESS', 'DOES', 'ONLY', 'ENDS', 'NODES', 'HITS', 'LAST HIT'],
    ...['RULE', 'NOTE', 'DECISION'],
  ]
  return printColumns(io, heads, rows)
}

/** A few nodes on which it is tried must not be taken for all. */
function nodesOf({ nodes, rollout }: DecisionAnswer): string {
  const trouble = nodes.refused + nodes.failed > 0 ? ' (!)' : ''
  const trial = rollout?.due ? ' on trial' : ''
  return `${nodes.applied} of ${nodes.of}${trouble}${trial}`
}

function printWhy(found: Why, io: Io): string {
  const { decisions, as_peer, recent } = found
  return [
    `${paint(io, 'out', 'bold', printable(headline(found, io)))}\n`,
    ...printUnconfirmed(found, io),
    ...decisions.flatMap((decision) => [
      `\n${printOutcome(decision, io)}`,
      ...decision.because.map((sentence) => `  ${printable(sentence)}\n`),
      ...(decision.note === null
        ? []
        : [`  ${printable(`${decision.actor}: ${decision.note}`)}\n`]),
      ...printTrouble(found, decision.id),
    ]),
    ...(as_peer.length > 0 ? ['\nat the other end of:\n', printDecisions(as_peer, io)] : []),
    ...(recent.length > 0 ? ['\nbefore:\n', printDecisions(recent, io)] : []),
  ].join('')
}

function printUnconfirmed({ unconfirmed }: Why, io: Io): string[] {
  const more = unconfirmed.length - mostTrouble
  return [
    ...unconfirmed
      .slice(0, mostTrouble)
      .map(
        ({ node, decision, until }) =>
          `  ${node} has not confirmed that ${decision} was taken back: its kernel lets go ${printWhen(until, io.now())} at the latest\n`,
      ),
    ...(more > 0 ? [`  nor have ${more} more\n`] : []),
  ]
}

/** Nodes whose words are printed of one decision; there may be a thousand of one mind. */
const mostTrouble = 5

function printTrouble({ nodes }: Why, id: string): string[] {
  const trouble = nodes.filter(
    ({ decision, status }) => decision === id && (status === 'refused' || status === 'failed'),
  )
  const more = trouble.length - mostTrouble
  return [
    ...trouble
      .slice(0, mostTrouble)
      .map(
        ({ node, status, detail }) =>
          `  ${node} ${status} it: ${printable(detail ?? 'no reason was given')}\n`,
      ),
    ...(more > 0 ? [`  so do ${more} more; "cordon decision show ${id}" has them all\n`] : []),
  ]
}

function headline(found: Why, io: Io): string {
  const { address, ordered, blocked, until, partly, allowed, decisions, as_peer, unconfirmed } =
    found
  const end = printWhen(until, io.now())
  if (allowed && !blocked && (allowed.only === '' || !(ordered || partly))) {
    const only = allowed.only === '' ? '' : `, only ${allowed.only},`
    const how = `until ${printWhen(allowed.until, io.now())} by ${allowed.by}: ${allowed.reason}`
    return `${address} is allowed${only} ${how}`
  }
  if (blocked) return `${address} is blocked until ${end}`
  if (ordered) return `${address} is ordered to be blocked until ${end}; no kernel has confirmed it`
  if (partly) return `${address} is not blocked as a whole, but some of its traffic is stopped`
  if (decisions.length > 0) return `${address} is not blocked as a whole, but parts of it are`
  if (unconfirmed.length > 0)
    return `${address} is ordered to be blocked no more; ${unconfirmed.length === 1 ? '1 node has' : `${unconfirmed.length} nodes have`} not confirmed that`
  const stopped = as_peer.some(({ action }) => action !== 'allow')
  return `${address} is not blocked${stopped ? ', but some traffic of others with it is stopped' : ''}`
}
