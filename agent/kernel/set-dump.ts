/** Reads whole sets by nf_tables netlink: a hundredth of what it costs to have nft list them. */
import { setImmediate as breath } from 'node:timers/promises'
import { eachMessage, MessageWriter } from './bytes.ts'
import { type FoundElement, readElements, subsystem } from './message.ts'
import { type NetlinkSocket, openNetlink } from './netlink-socket.ts'
import { refused } from './refusal.ts'

const getElements = (subsystem << 8) | 13
const requestDump = 0x301
const errorMessage = 2
const doneMessage = 3
const inet = 1
const ENOENT = 2

/** Every element of the set, some hundred at a time; undefined when there is no such set. */
export type SetDump = {
  elements(table: string, set: string): Promise<FoundElement[] | undefined>
  close(): void
}

/** The bodies of the kernel's answers, each with some hundred elements; false when there is no such set. */
export type SetReader = {
  read(table: string, set: string, take: (body: Buffer) => void): Promise<boolean>
  close(): void
}

export function netlinkDump(): SetDump {
  const reader = openSetReader()
  return {
    async elements(table, set) {
      const found: FoundElement[] = []
      const isThere = await reader.read(table, set, (body) => {
        found.push(...readElements(body).elements)
      })
      return isThere ? found : undefined
    },
    close: () => reader.close(),
  }
}

/** One question at a time is the caller's to see to. Throws `no_privilege`, `kernel_refused`. */
export function openSetReader(): SetReader {
  const socket = openNetlink()
  let sequence = 1
  return {
    async read(table, set, take) {
      sequence = (sequence % 1_000_000) + 1
      socket.send(encode(table, set, sequence))
      for (;;) {
        const end = receive(socket, sequence, set, take)
        if (end) return end === 'done'
        // The kernel waits with the rest until it is asked for; others have their turn meanwhile.
        await breath()
      }
    },
    close: () => socket.close(),
  }
}

function encode(table: string, set: string, sequence: number): Uint8Array {
  const out = new MessageWriter(128)
  const start = out.openMessage(getElements, requestDump, sequence, inet, 0)
  out.text(1, table)
  out.text(2, set)
  out.closeMessage(start)
  return out.bytes()
}

/** Undefined while more is to come. */
function receive(
  socket: NetlinkSocket,
  sequence: number,
  set: string,
  take: (body: Buffer) => void,
): 'done' | 'absent' | undefined {
  const datagram = socket.receive()
  if (datagram === undefined || datagram === 'overrun')
    throw refused(0, `cannot read set ${set} to its end`)
  for (const { type, sequence: of, body } of eachMessage(datagram)) {
    if (of !== sequence) continue
    const errno = type === errorMessage || type === doneMessage ? -body.readInt32LE() : 0
    if (errno === ENOENT) return 'absent'
    if (errno !== 0) throw refused(errno, `cannot read set ${set}`)
    if (type === doneMessage) return 'done'
    take(body)
  }
  return undefined
}
