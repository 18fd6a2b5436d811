/** Carries an order out and waits for what the connected nodes say of it, so that the answer tells what is so. */
import { audienceNodes } from '../flow/audience-nodes.ts'
import type { Flow } from '../flow/flow.ts'
import type { Decision } from '../store/decisions.ts'
import { listNodes } from '../store/nodes.ts'

/** Returns once all connected nodes have answered for what `changed` names, or after the time. */
export async function awaitNodes<Done>(
  flow: Flow,
  waitSeconds: number,
  order: () => Promise<Done>,
  changed: (done: Done) => readonly Pick<Decision, 'id' | 'audience'>[],
): Promise<Done> {
  const listening = flow.confirmations.listen()
  try {
    const done = await order()
    const nodes = await listNodes(flow.store.read)
    const connected = nodes.filter(({ name }) => flow.hub.connected(name))
    const wanted = changed(done).map(
      ({ id, audience }) => [id, audienceNodes(audience, connected).length] as const,
    )
    await listening.until(new Map(wanted), waitSeconds * 1_000)
    return done
  } finally {
    listening.end()
  }
}
