/** Which nodes an audience is: those that are enrolled now. */
import type { Node } from '../store/nodes.ts'

export function audienceNodes(audience: readonly string[], nodes: readonly Node[]): Node[] {
  const wanted = new Set(audience)
  return nodes.filter(
    (node) =>
      node.revoked === null &&
      (wanted.has('all') ||
        wanted.has(`node/${node.name}`) ||
        node.groups.some((group) => wanted.has(`group/${group}`))),
  )
}
