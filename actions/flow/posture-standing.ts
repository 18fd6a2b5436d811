/** How each node of an audience stands to its standing rules, from what it said of them last. */
import { isDeepStrictEqual } from 'node:util'
import type { PostureReceipt } from '#contract/posture.ts'
import type { Proposal } from '../posture/propose.ts'
import type { Node } from '../store/nodes.ts'
import type { StoredPosture } from '../store/postures.ts'
import { audienceNodes } from './audience-nodes.ts'

export type PostureStanding = StoredPosture & { nodes: NodePosture[] }
type NodePosture = {
  node: string
  /** `unheard`: nothing was said of this version yet. */
  status: PostureReceipt['status'] | 'unheard'
  in_force: number
  at: number | null
  next_change: number | null
  code: string | null
  detail: string | null
}

/** `heard` is what nodes said between their heartbeats, by node and audience. */
export function standingOf(
  stored: StoredPosture,
  nodes: readonly Node[],
  heard: ReadonlyMap<string, PostureReceipt>,
): PostureStanding {
  const { audience, version } = stored
  const standings = audienceNodes([audience], nodes).map(({ name, heartbeat }) => {
    const said = heartbeat?.postures?.find((one) => one.audience === audience)
    return saidOf(name, version, [said, heard.get(heardKey(name, audience))])
  })
  return { ...stored, nodes: standings }
}

export function heardKey(node: string, audience: string): string {
  return `${node} ${audience}`
}

/** Other rules, or the same that a node does not have: applying again is how a person says try again. */
export function isNews(was: PostureStanding, { posture }: Proposal): boolean {
  if (!isDeepStrictEqual(was.posture, posture)) return true
  return was.nodes.some(({ status }) => status === 'reverted' || status === 'refused')
}

/** What was said last of the version. */
function saidOf(
  node: string,
  version: number,
  said: readonly (PostureReceipt | undefined)[],
): NodePosture {
  const newest = said
    .filter((one) => one !== undefined)
    .sort((a, b) => b.version - a.version || b.at - a.at)[0]
  if (newest?.version !== version)
    return {
      node,
      status: 'unheard',
      in_force: newest?.in_force ?? 0,
      at: null,
      next_change: null,
      code: null,
      detail: null,
    }
  const { status, in_force, at, next_change = null, code = null, detail = null } = newest
  return { node, status, in_force, at, next_change, code, detail }
}
