/** Who may still stop an address although nobody orders it any more: nodes that have not said that they let go. */
import { type Address, widen } from '#contract/address.ts'
import { takenBack } from '../store/decisions.ts'
import { listNodes } from '../store/nodes.ts'
import { receiptsOf } from '../store/receipts.ts'
import type { Reader } from '../store/store.ts'
import { audienceNodes } from './audience-nodes.ts'
import { stops } from './order-line.ts'

/** `until`: when the kernel of the node lets go by itself, epoch milliseconds. */
export type Unconfirmed = { node: string; decision: string; until: number }

/** Of blocks and limits on the address or around it. */
export async function unconfirmedOn(
  db: Reader,
  address: Address,
  now: number,
): Promise<Unconfirmed[]> {
  const around = Array.from({ length: address.prefix }, (_, prefix) => widen(address, prefix).text)
  const found = (await takenBack(db, [address.text, ...around], now)).filter(stops)
  const byId = new Map(found.map((decision) => [decision.id, decision]))
  const receipts = await receiptsOf(db, [...byId.keys()])
  const nodes = await listNodes(db)
  return receipts.flatMap(({ decision: id, node, status, at }) => {
    const decision = byId.get(id)
    if (!decision || status !== 'applied') return []
    const isAsked = audienceNodes(decision.audience, nodes).some(({ name }) => name === node)
    const until = decision.notAfter ?? at + (decision.lengthMs ?? 0)
    return isAsked && until > now ? [{ node, decision: id, until }] : []
  })
}
