/** Says which nodes only print what they would do: their receipts say applied, and no kernel holds anything. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { NodeAnswer } from './answers.ts'
import type { Client } from './client.ts'
import type { Io } from './command.ts'

const toldNodes = 3
const Nodes = z.looseObject({ nodes: z.array(NodeAnswer) })

export async function tellDryRuns(client: Client, io: Io): Promise<void> {
  const { nodes } = await client.get('/v1/nodes', Nodes)
  const active = nodes.filter(({ state }) => state !== 'revoked')
  tell(
    io,
    active.filter(({ heartbeat }) => heartbeat?.backend === 'dry-run'),
    'only prints: counted as applied, but nothing is in a kernel there',
  )
  tell(
    io,
    active.filter(({ heartbeat, connected }) => connected && heartbeat === null),
    'has not said yet whether it enforces',
  )
}

function tell(io: Io, nodes: readonly { name: string }[], what: string): void {
  for (const { name } of nodes.slice(0, toldNodes)) io.err(`note: ${printable(name)} ${what}\n`)
  const more = nodes.length - toldNodes
  if (more > 0) io.err(`note: the same of ${more} more nodes, see cordon node list\n`)
}
