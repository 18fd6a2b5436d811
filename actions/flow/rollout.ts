/** By the clock: what was tried on a few nodes goes to the rest when they are well, or is taken back and asked about. */
import { printDuration } from '#contract/duration.ts'
import type { Policy } from '../decide/policy.ts'
import { type Decision, updateDecision, updateReasons } from '../store/decisions.ts'
import type { Rollout } from '../store/measure-columns.ts'
import { listNodes, type Node } from '../store/nodes.ts'
import { type NodeReceipt, receiptsOf } from '../store/receipts.ts'
import { rolloutsDue } from '../store/rollouts.ts'
import type { Writer } from '../store/store.ts'
import { toOrder } from './issue.ts'
import { type Change, change, isInForce } from './order-line.ts'
import { type CommitParts, commit, mustFind } from './revise.ts'

/** Decisions in one transaction, so that alerts are never stuck behind many. */
const atOnce = 25

/** After a start all nodes look away until their next heartbeat has come. */
const settleMs = 90_000

/** So many of its intervals after its last heartbeat a node is late. */
const lateAfter = 1.5
const usualIntervalMs = 30_000

/** Used when the policy says nothing of it any more. */
const usualShare = 0.9

export type RolloutParts = CommitParts & { policy(): Policy }

/** A turn of the clock: returns how many went on or were halted. */
export function openRollout(parts: RolloutParts): () => Promise<number> {
  let started: number | undefined
  return async () => {
    const now = parts.now()
    started ??= now
    const due = await rolloutsDue(parts.store.read, now, atOnce)
    const settled = now - started >= settleMs
    const begun = started
    if (due.length === 0) return 0
    return commit(parts, async (tx) => {
      const nodes = await listNodes(tx)
      const changes: Change[] = []
      for (const id of due) {
        const decision = await mustFind(tx, id)
        const { rollout } = decision
        if (!rollout || rollout.due === null || !isInForce(decision)) continue
        if (rollout.began < begun && !settled) continue
        changes.push(await goOn(tx, parts.policy(), { ...decision, rollout }, nodes, now))
      }
      return { result: changes.length, changes }
    })
  }
}

type InRollout = Decision & { rollout: Rollout }

async function goOn(
  tx: Writer,
  policy: Policy,
  before: InRollout,
  nodes: readonly Node[],
  now: number,
): Promise<Change> {
  const receipts = await receiptsOf(tx, [before.id])
  const share = policy.rollout?.healthy ?? usualShare
  const unwell = problemsOf(before.rollout, receipts, nodes, share, now)
  return unwell.length === 0 ? advance(tx, before, now) : halt(tx, before, unwell.join('; '), now)
}

/** The few keep it; only the rest hears of it now. */
async function advance(tx: Writer, before: InRollout, now: number): Promise<Change> {
  const { rollout } = before
  const rest = rollout.audience.filter((name) => !before.audience.includes(name))
  const audience = [...before.audience, ...rest]
  const fields = { audience, rollout: { ...rollout, due: null } }
  await updateDecision(tx, before.id, fields)
  const after = { ...before, ...fields }
  const reason = `${counted(rollout.nodes.length)} confirmed it and stayed well`
  const { entry } = change({ actor: 'policy', reason }, now, 'decision.rollout', before, after)
  return { entry, orders: [{ audience: rest, action: toOrder(after, now) }] }
}

async function halt(tx: Writer, before: InRollout, problem: string, now: number): Promise<Change> {
  const { rollout } = before
  const fields = {
    state: 'waiting',
    audience: rollout.audience,
    issued: null,
    notAfter: null,
    rollout: { ...rollout, due: null },
  } as const
  await updateDecision(tx, before.id, fields)
  const reasons = [...before.reasons, { code: 'rollout_halted', problem } as const]
  await updateReasons(tx, before.id, reasons, before.would)
  const who = { actor: 'policy', reason: problem }
  return change(who, now, 'decision.halt', before, { ...before, ...fields, reasons })
}

/** In words, most telling first; none when all is well. */
function problemsOf(
  { nodes: names }: Rollout,
  receipts: readonly NodeReceipt[],
  nodes: readonly Node[],
  share: number,
  now: number,
): string[] {
  const said = new Map(receipts.map((receipt) => [receipt.node, receipt]))
  const applied = names.filter((name) => said.get(name)?.status === 'applied').length
  const troubles = names.flatMap((name) => troubleOf(name, nodes, now) ?? [])
  if (applied >= share * names.length) return troubles
  const wanted = `${applied} of ${counted(names.length)} confirmed it, and ${Math.round(share * 100)} % are wanted`
  const others = names.flatMap((name) => {
    const receipt = said.get(name)
    if (receipt?.status === 'applied') return []
    const { code, detail } = receipt ?? {}
    const why = [code, detail].filter((part) => part !== null && part !== undefined).join(': ')
    return `${name} ${receipt ? `says ${receipt.status}` : 'says nothing'}${why && ` (${why})`}`
  })
  return [...troubles, wanted, ...others.slice(0, 5)]
}

/** A node that is late by a heartbeat may be cut off; whoever was revoked meanwhile is not asked. */
function troubleOf(name: string, nodes: readonly Node[], now: number): string | undefined {
  const node = nodes.find((one) => one.name === name && one.revoked === null)
  if (!node) return undefined
  const silentMs = now - (node.lastSeen ?? 0)
  const intervalMs = node.heartbeat?.interval_ms ?? usualIntervalMs
  if (silentMs > lateAfter * intervalMs)
    return `${name} has not been heard of for ${printDuration(silentMs)}`
  if (node.heartbeat?.problem !== undefined) return `${name} is not well: ${node.heartbeat.problem}`
  return node.heartbeat?.enforcing === true ? undefined : `${name} enforces nothing any more`
}

function counted(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`
}
