/** Which blocks go to a few nodes first, and to which: a wide one that is wrong is wrong on those alone. */
import { maybeAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Policy } from '../decide/policy.ts'
import type { Decision } from '../store/decisions.ts'
import type { Rollout } from '../store/measure-columns.ts'
import { listNodes, type Node } from '../store/nodes.ts'
import type { Writer } from '../store/store.ts'
import { audienceNodes } from './audience-nodes.ts'
import { nodeState } from './node-state.ts'

/** What becomes of a decision that begins on a few. */
export type Staged = Pick<Decision, 'audience' | 'reasons'> & { rollout: Rollout }

type Wide = Pick<Decision, 'target' | 'audience' | 'measure' | 'reasons'>

/** Whether the policy wants this block tried on a few nodes first. */
export function isStaged({ target, audience, measure }: Wide, { rollout }: Policy): boolean {
  const address = maybeAddress(target ?? '')
  if (!rollout || !address || measure.action === 'allow') return false
  return (
    address.prefix < rollout.widerThan[address.family] &&
    !audience.every((name) => rollout.canary.includes(name))
  )
}

/**
 * The few are those of the canary that the block is for anyway: it is never widened to others. `conflict` when none of
 * them is well, for then there is nobody to try it on.
 */
export function stage(
  decision: Wide,
  { rollout }: Policy,
  nodes: readonly Node[],
  now: number,
): Staged | Problem {
  if (!rollout) throw new Problem('internal', 'there is no canary in the policy')
  const { canary, waitMs } = rollout
  const meant = new Set(audienceNodes(decision.audience, nodes))
  const few = audienceNodes(canary, nodes).filter((node) => meant.has(node))
  const well = few.filter((node) => isWell(node, now)).map(({ name }) => name)
  if (well.length === 0) return nobody(decision, canary)
  const audience = decision.audience.includes('all')
    ? [...canary]
    : few.map(({ name }) => `node/${name}`)
  return {
    audience,
    rollout: { audience: decision.audience, nodes: well, began: now, due: now + waitMs },
    reasons: [...decision.reasons, { code: 'rollout', nodes: well.length, audience: [...canary] }],
  }
}

/** What a wide block is while it is tried on a few nodes; nothing for any other. Throws `conflict` when none is well. */
export async function onFew(
  tx: Writer,
  policy: Policy,
  decision: Decision,
  { audience = decision.audience }: { audience?: string[] },
  now: number,
): Promise<Partial<Pick<Decision, 'audience' | 'rollout'>>> {
  const whole = { ...decision, audience }
  if (!isStaged(whole, policy)) return {}
  const staged = stage(whole, policy, await listNodes(tx), now)
  if (staged instanceof Problem) throw staged
  return { audience: staged.audience, rollout: staged.rollout }
}

/** A node in dry run shows nothing. */
function isWell(node: Node, now: number): boolean {
  const { heartbeat } = node
  const enforces = heartbeat?.enforcing === true && heartbeat.problem === undefined
  return enforces && nodeState(node, now) === 'active'
}

function nobody({ target }: Wide, canary: readonly string[]): Problem {
  const message = `no node of ${canary.join(', ')} is well and enforces, to try ${target} on first`
  return new Problem('conflict', message, {
    remedy:
      'look at "cordon node list"; --at-once orders it everywhere without a trial, and the reason says why',
  })
}
