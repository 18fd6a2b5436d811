/** Set elements by nf_tables netlink, over one socket kept open. */
import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { eachMessage } from './bytes.ts'
import type { Carrier } from './carrier.ts'
import type { SetName } from './firewall.ts'
import {
  addressBehind,
  type Batch,
  encodeBatch,
  encodeGet,
  type FoundElement,
  lastAddress,
  readElements,
  subsystem,
} from './message.ts'
import { type NetlinkSocket, openNetlink } from './netlink-socket.ts'
import { refused } from './refusal.ts'
import { isFeedSet, setSpec } from './sets.ts'
import type { Step } from './transaction.ts'
import { oneAtATime } from './turns.ts'

const errorMessage = 2
const newElements = (subsystem << 8) | 12
const ENOENT = 2
/** Some 500 elements, 2 ms: above this the kernel works on another thread, so that the event loop goes on. */
const asideBytes = 20_000

/** Throws `no_privilege`, `kernel_refused`. */
export function netlinkCarrier(): Carrier {
  const socket = openNetlink()
  // Answers belong to the question before them, so the next waits for the one under way.
  const conversation = oneAtATime()
  let sequence = 1
  return {
    name: 'netlink',
    port: socket.port,
    commit: (table, steps) =>
      conversation(async () => {
        if (steps.length === 0) return
        const batch = encodeBatch(table, steps, sequence)
        sequence = (batch.lastSequence + 2) % 2 ** 31
        const aside = batch.bytes.length > asideBytes || steps.some(isLong)
        await (aside ? socket.sendAside(batch.bytes) : socket.send(batch.bytes))
        mustBeConfirmed(batch, answers(socket))
      }),
    remaining: (table, set, address) =>
      conversation(async () => {
        const ask = (key: Uint8Array) => {
          sequence = (sequence + 1) % 2 ** 31
          socket.send(encodeGet(table, set, key, sequence))
          return readFound(set, sequence, answers(socket))
        }
        return readRemaining(set, address, ask)
      }),
    close: () => socket.close(),
  }
}

type Answer =
  | { sequence: number; errno: number }
  | { sequence: number; elements: readonly FoundElement[] }

/** The kernel has answered before `send` returned, so what does not wait now never comes. */
function answers(socket: NetlinkSocket): Answer[] {
  const found: Answer[] = []
  for (let datagram = socket.receive(); datagram; datagram = socket.receive()) {
    if (datagram === 'overrun') throw refused(0, 'answers of the kernel were lost')
    for (const { type, sequence, body } of eachMessage(datagram)) {
      if (type === errorMessage) found.push({ sequence, errno: -body.readInt32LE() })
      if (type === newElements) found.push({ sequence, elements: readElements(body).elements })
    }
  }
  return found
}

/** An error for any message, also for the bracket around them, undid the whole batch. */
function mustBeConfirmed(batch: Batch, found: readonly Answer[]): void {
  const mine = found.filter(({ sequence }) => sequence >= batch.firstSequence)
  for (const answer of mine) {
    if (!('errno' in answer) || answer.errno === 0) continue
    const set = batch.sets[answer.sequence - batch.firstSequence]
    throw refused(answer.errno, set ? `cannot change set ${set}` : 'cannot commit the transaction')
  }
  if (!mine.some((answer) => 'errno' in answer && answer.sequence === batch.lastSequence))
    throw refused(0, 'the kernel did not confirm the transaction')
}

function readFound(
  set: SetName,
  sequence: number,
  found: readonly Answer[],
): FoundElement | undefined {
  const mine = found.filter((answer) => answer.sequence === sequence)
  for (const answer of mine)
    if ('errno' in answer && answer.errno !== 0 && answer.errno !== ENOENT)
      throw refused(answer.errno, `cannot read set ${set}`)
  return mine.flatMap((answer) => ('elements' in answer ? answer.elements : []))[0]
}

function readRemaining(
  set: SetName,
  address: Address,
  ask: (key: Uint8Array) => FoundElement | undefined,
): number | undefined {
  const start = ask(address.bytes)
  if (!start?.key.equals(address.bytes)) return undefined
  if (setSpec(set).prefix === undefined && !isExactly(address, ask)) return undefined
  if (start.expiresMs !== undefined) return start.expiresMs
  throw new Problem('kernel_refused', `${address.text} stands in set ${set} without an end`, {
    remedy: 'somebody else put it there; the agent fills the sets anew by itself',
  })
}

/**
 * An interval set answers for any address with the start of the interval around it: the last address of the
 * network must lie in the same one, the address behind it must not. (Asking for ends differs between kernels.)
 */
function isExactly(address: Address, ask: (key: Uint8Array) => FoundElement | undefined): boolean {
  const startsAs = (key: Uint8Array) => ask(key)?.key.equals(address.bytes) === true
  const behind = addressBehind(address)
  return startsAs(lastAddress(address)) && !(behind && startsAs(behind))
}

/** However small: a large interval set is worked through as a whole at each change. */
function isLong({ set }: Step): boolean {
  return isFeedSet(set)
}
