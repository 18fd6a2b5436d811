/** Which node asks. */
import { Problem } from '#contract/problem.ts'
import type { NodeIdentity } from '../store/nodes.ts'
import type { Caller } from './route.ts'

/** Throws `forbidden` for anybody else. */
export function nodeOf(caller: Caller): NodeIdentity {
  if (caller.kind === 'node') return caller.node
  throw new Problem('forbidden', 'only a node may do this')
}
