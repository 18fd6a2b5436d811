/** How long alerts take to the kernel. */
import { sendAtRate, untilArrived } from './load.ts'
import type { World } from './world.ts'

/** Ms from sending the alert to the last node's kernel, for each of them. */
export async function lags(
  world: World,
  from: number,
  count: number,
  perSecond: number,
  nodes: number,
): Promise<number[]> {
  const sent = await sendAtRate(world, from, count, perSecond)
  await untilArrived(world, sent.keys(), nodes, 30_000)
  return [...sent].map(([address, at]) => Math.max(...world.arrived(address).values()) - at)
}
