/** `cordon decision …`: what was judged, why, and what a person may do about it. */
import { z } from 'zod'
import { audiencesOf } from '#contract/audience.ts'
import { printable } from '#contract/printable.ts'
import { nearest } from '#contract/problem.ts'
import { printOnly } from '../decide/traffic.ts'
import { answer, queryOf } from './answer.ts'
import { AlertAnswer, DecisionAnswer, NodeAnswer } from './answers.ts'
import { type Client, openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { paint, printAgo, printColumns, printFields, printWhen } from './paint.ts'

/** Long enough for every node that is connected to confirm, short enough to sit through. */
export const confirmSeconds = 2

export const One = z.looseObject({ decision: DecisionAnswer, notice: z.string().optional() })
const Many = z.looseObject({ decisions: z.array(DecisionAnswer) })
const Whole = One.extend({
  evidence: z.array(AlertAnswer),
  receipts: z.array(
    z.looseObject({
      node: z.string(),
      status: z.string(),
      at: z.string(),
      code: z.string().nullable(),
      detail: z.string().nullable(),
    }),
  ),
  timeline: z.array(z.looseObject({ at: z.string(), actor: z.string(), action: z.string() })),
})

export const listDecisions: Handler = async (asked, io) => {
  const query = queryOf({
    state: asked.option('state'),
    target: asked.option('target'),
    limit: asked.option('limit'),
  })
  const { decisions } = await openClient(io.environment).get(`/v1/decisions${query}`, Many)
  answer(asked, io, decisions, () => printDecisions(decisions, io))
  return 0
}

export const showDecision: Handler = async (asked, io) => {
  const path = `/v1/decisions/${encodeURIComponent(asked.argument('id'))}`
  const client = openClient(io.environment)
  const whole = await client.get(path, Whole)
  answer(asked, io, whole, () => printWhole(whole, io))
  return 0
}

export const approveDecision: Handler = (asked, io) =>
  approve(asked, io, { at_once: asked.flag('at-once') || undefined })
/** A question of the queue, which is one of many there. */
export const approveQuestion: Handler = (asked, io) => approve(asked, io, {})
export const declineDecision: Handler = (asked, io) => change(asked, io, 'decline', {})
export const extendDecision: Handler = (asked, io) =>
  change(asked, io, 'extend', { for: asked.required('for') })
export const liftDecision: Handler = (asked, io) => change(asked, io, 'lift', {})

function approve(asked: Asked, io: Io, more: object): Promise<number> {
  const audience = asked.options('audience')
  return change(asked, io, 'approve', {
    for: asked.option('for'),
    audience: audience.length > 0 ? audience : undefined,
    ...more,
  })
}

/** An audience that is named and has no node is most likely a typing error; what a node refuses is not in force there. */
export async function reached(
  client: Client,
  { id, nodes, interface: device, peer_interface: beyond }: DecisionAnswer,
  audience: readonly string[],
  io: Io,
): Promise<number> {
  const trouble = nodes.refused + nodes.failed > 0
  if (trouble || (device ?? beyond) != null) await tellRemarks(client, id, io)
  if (trouble) return 3
  if (nodes.of > 0 || audience.length === 0 || audience.includes('all')) return 0
  const Nodes = z.looseObject({ nodes: z.array(NodeAnswer) })
  const enrolled = await client.get('/v1/nodes', Nodes)
  const known = enrolled.nodes
    .filter(({ state }) => state !== 'revoked')
    .flatMap(({ name, groups }) => audiencesOf(name, groups))
  const guess = audience.flatMap((wanted) => nearest(wanted, known) ?? [])[0]
  const hint = guess
    ? `did you mean ${guess}? "cordon decision lift ${id}" takes this one back`
    : ''
  io.err(`note: there is no node in ${printable(audience.join(', '))}\n`)
  io.err(`hint: ${hint || 'cordon node list shows the nodes and their groups'}\n`)
  return 3
}

/** Nodes whose words are printed; there may be a thousand of one mind. */
const mostRemarks = 5

/** What nodes say besides that it is in force, or why it is not. */
async function tellRemarks(client: Client, id: string, io: Io): Promise<void> {
  const { receipts } = await client.get(`/v1/decisions/${encodeURIComponent(id)}`, Whole)
  const refuses = ({ status }: { status: string }) => status === 'refused' || status === 'failed'
  const remarks = receipts.filter((one) => refuses(one) || one.detail !== null)
  const sorted = [...remarks.filter(refuses), ...remarks.filter((one) => !refuses(one))]
  for (const { node, status, detail, code } of sorted.slice(0, mostRemarks))
    io.err(`note: ${node} ${status} it: ${printable(detail ?? code ?? 'no reason was given')}\n`)
  const more = sorted.length - mostRemarks
  if (more > 0) io.err(`note: so do ${more} more; "cordon decision show ${id}" has them all\n`)
}

async function change(asked: Asked, io: Io, verb: string, more: object): Promise<number> {
  const wait = verb === 'decline' ? '' : `?wait_s=${confirmSeconds}`
  const path = `/v1/decisions/${encodeURIComponent(asked.argument('id'))}/${verb}${wait}`
  const body = { ...more, reason: asked.required('reason') }
  const client = openClient(io.environment)
  const { decision, notice } = await client.post(path, body, One)
  answer(asked, io, decision, () => printOutcome(decision, io))
  // Nothing has changed yet: somebody else has to say the same.
  if (notice !== undefined) io.err(`note: ${printable(notice)}\n`)
  if (notice !== undefined) return 3
  return reached(client, decision, 'audience' in more ? asked.options('audience') : [], io)
}

/** One line: what, until when, and on how many nodes the kernel has confirmed it by now. */
export function printOutcome(decision: DecisionAnswer, io: Io): string {
  const { id, target, what, action, not_after, state, message } = decision
  const plain = action === 'block' && onlyOf(decision) === '-'
  const open = state === 'issued' || state === 'applied'
  const until = open ? ` until ${printWhen(not_after, io.now())}` : ''
  const whom = plain ? target : what
  return `${id}  ${printable(whom ?? 'nothing')}${until}: ${printable(message)}\n`
}

export function printDecisions(decisions: readonly DecisionAnswer[], io: Io): string {
  if (decisions.length === 0) return 'no decisions\n'
  const rows = decisions.map((decision) => [
    decision.id,
    printAgo(decision.created, io.now()),
    verdictOf(decision),
    decision.target ?? '-',
    onlyOf(decision),
    decision.state === 'issued' || decision.state === 'applied'
      ? printAgo(decision.not_after, io.now())
      : '-',
    decision.rule ?? (decision.origin === 'manual' ? `by ${decision.actor ?? 'hand'}` : '-'),
    decision.message,
  ])
  return printColumns(
    io,
    ['ID', 'DECIDED', 'VERDICT', 'TARGET', 'ONLY', 'ENDS', 'RULE', 'STATE'],
    rows,
  )
}

function printWhole({ decision, evidence, receipts, timeline }: z.infer<typeof Whole>, io: Io) {
  const now = io.now()
  const title = (text: string) => `\n${paint(io, 'out', 'bold', text)}\n`
  return [
    printFields([
      ['decision', decision.id],
      ['state', decision.message],
      ['verdict', verdictOf(decision)],
      ['target', decision.target],
      ['orders', decision.what],
      ['direction', decision.direction],
      ['for', decision.audience.join(', ')],
      ['decided', printWhen(decision.created, now)],
      ['ends', printWhen(decision.not_after, now)],
      ['ended', printWhen(decision.ended, now)],
      ['tried', rolloutOf(decision, now)],
      ['hits', hitsOf(decision, now)],
      ['by', decision.actor ?? (decision.rule === null ? '' : `rule ${decision.rule}`)],
      ['note', decision.note],
    ]),
    ...(decision.because.length > 0 ? [title('why')] : []),
    ...decision.because.map((sentence) => `  ${printable(sentence)}\n`),
    ...(evidence.length > 0
      ? [title(`alerts (${decision.alerts})`), printAlerts(evidence, io)]
      : []),
    ...(receipts.length > 0 ? [title('nodes'), printReceipts(receipts, io)] : []),
    title('journal'),
    ...timeline.map(
      ({ at, actor, action }) =>
        `  ${printWhen(at, now)}  ${printable(action)}  ${printable(actor)}\n`,
    ),
  ].join('')
}

/** What is done, where the verdict does not say it all; of what is on trial also what it would have been. */
export function verdictOf({ outcome, action, would }: DecisionAnswer): string {
  if (action === 'allow' || outcome === 'block') return action
  return would === null || would === outcome ? outcome : `${outcome} (would ${would})`
}

/** What narrows it; `-` for nothing. */
export function onlyOf(decision: DecisionAnswer) {
  const { action, protocol, ports, rate, response } = decision
  const short = [protocol, ports?.join(',')].filter(Boolean).join(' ')
  const parts = [
    printOnly(action, decision, short),
    rate && `${rate.packets}/${rate.per}`,
    response === 'reject' && 'reject',
  ].filter(Boolean)
  return parts.length === 0 ? '-' : parts.join(' ')
}

function hitsOf({ hits }: DecisionAnswer, now: number): string {
  return hits ? `${hits.packets} packets stopped, the last ${printWhen(hits.last, now)}` : ''
}

function rolloutOf({ rollout }: DecisionAnswer, now: number): string {
  if (!rollout) return ''
  const few = `on ${rollout.nodes.join(', ')}`
  if (rollout.due === null) return few
  // After a start of the service it waits until the nodes have been heard of.
  const when = Date.parse(rollout.due) > now ? printWhen(rollout.due, now) : 'soon'
  return `${few}; the rest of ${rollout.audience.join(', ')} follows ${when}`
}

function printReceipts(receipts: z.infer<typeof Whole>['receipts'], io: Io): string {
  const rows = receipts.map(({ node, status, at, code, detail }) => [
    node,
    status,
    printAgo(at, io.now()),
    [code, detail].filter((part) => part !== null).join(': '),
  ])
  return printColumns(io, ['NODE', 'SAYS', 'WHEN', 'DETAIL'], rows)
}

export function printAlerts(alerts: readonly AlertAnswer[], io: Io): string {
  if (alerts.length === 0) return 'no alerts\n'
  const rows = alerts.map(({ id, observed, source, attacker, rule, user, victim }) => [
    id,
    printAgo(observed, io.now()),
    source,
    attacker ?? '-',
    String(rule.severity),
    printable(`${rule.id} ${rule.name}`, 60),
    [victim?.host ?? victim?.address, user].filter((part) => part !== undefined).join(' user '),
  ])
  return printColumns(io, ['ID', 'SEEN', 'SOURCE', 'ATTACKER', 'SEVERITY', 'RULE', 'VICTIM'], rows)
}
