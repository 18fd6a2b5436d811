/** Says which nodes only print what they would do: their receipts say applied, and no kernel holds anything. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { NodeAnswer } from './answers.ts'
import type { Client } from './client.ts'
import type { Io } from './command.ts'

const Nodes = z.looseObject({ nodes: z.array(NodeAnswer) })

export async function tellDryRuns(client: Client, io: Io): Promise<void> {
  const { nodes } = await client.get('/v1/nodes', Nodes)
  const idle = nodes.filter(
    ({ state, heartbeat }) => state !== 'revoked' && heartbeat?.backend === 'dry-run',
  )
  if (idle.length === 0) return
  const names = printable(idle.map(({ name }) => name).join(', '))
  const are = idle.length === 1 ? 'is a dry run' : 'are dry runs'
  io.err(`note: ${names} ${are}: counted as applied, but nothing is in a kernel there\n`)
}
