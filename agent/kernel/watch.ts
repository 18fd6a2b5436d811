/** Notices what others do to our table, from the kernel's own notifications. */
import { type Attributes, eachMessage, type Message, readAttributes } from './bytes.ts'
import {
  encodeGetGeneration,
  readElements,
  readGeneration,
  readText,
  subsystem,
} from './message.ts'
import { listen, type NetlinkSocket, openNetlink, stopListening } from './netlink-socket.ts'
import { refused } from './refusal.ts'
import { tableName } from './ruleset.ts'

/** NFNLGRP_NFTABLES */
const group = 7
const pollMs = 100
/** Datagrams read in one go, so that a flood of others' changes does not hold up the event loop. */
const drainLimit = 2_000

/** NFT_MSG_*: what it was about, and how it is told. */
const told: Record<number, [weight: number, what: string]> = {
  2: [5, 'the table was deleted'],
  5: [4, 'a chain was deleted'],
  11: [4, 'a set was deleted'],
  6: [3, 'a rule was added'],
  8: [3, 'a rule was deleted'],
  3: [2, 'a chain was changed'],
  9: [2, 'a set was added'],
  0: [2, 'the table was made'],
  14: [1, 'elements were removed'],
  12: [1, 'elements were added'],
}
const elementsRemoved = 14
const elementsAdded = 12
/** NFT_MSG_NEWGEN ends a transaction and names who did it: NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME. */
const generation = 15
const generationPart = { pid: 2, name: 3 } as const

type Seen = { weight: number; what: string; set: string; count: number }

export type Watcher = {
  /**
   * Does the one large transaction of ours without being told of each element, which would cost more than
   * the transaction; what others changed meanwhile shows in the number of the generation.
   */
  aside<Result>(transaction: () => Promise<Result>): Promise<Result>
  /** Does a transaction of ours that changes rules or sets. */
  own<Result>(transaction: () => Promise<Result>): Promise<Result>
  stop(): void
}

/** Calls back once a transaction of anybody else. */
export function watchTable(
  ownPort: number | undefined,
  isOwn: (pid: number) => boolean,
  changed: (what: string) => void,
): Watcher {
  const socket = openNetlink()
  const question = openNetlink()
  listen(socket, group, ownPort)
  const reader = transactionReader(isOwn, changed)
  const poll = () => drain(socket, reader, changed)
  const timer = setInterval(poll, pollMs)
  timer.unref()
  let stopped = false
  const heedAgain = (before: number, own: number) => {
    listen(socket, group, undefined)
    // To empty what is empty makes no generation.
    const made = generationNow(question) - before
    if (made !== 0 && made !== own)
      changed('the ruleset was changed by another process during a large transaction of ours')
  }
  return {
    async aside(transaction) {
      const before = generationNow(question)
      poll()
      stopListening(socket, group)
      let own = 0
      try {
        const result = await transaction()
        own = 1
        return result
      } finally {
        // The numbers of closed sockets may be those of others by now.
        if (!stopped) heedAgain(before, own)
      }
    },
    // It is told who did it.
    own: (transaction) => transaction(),
    stop() {
      stopped = true
      clearInterval(timer)
      socket.close()
      question.close()
    },
  }
}

/** The answer waits when `send` returns. */
function generationNow(socket: NetlinkSocket): number {
  socket.send(encodeGetGeneration(1))
  for (let datagram = socket.receive(); datagram; datagram = socket.receive()) {
    if (datagram === 'overrun') continue
    for (const { body } of eachMessage(datagram)) {
      const number = readGeneration(body)
      if (number !== undefined) return number
    }
  }
  throw refused(0, 'the kernel did not tell the generation of the ruleset')
}

function drain(
  socket: NetlinkSocket,
  read: (message: Message) => void,
  changed: (what: string) => void,
): void {
  for (let count = 0; count < drainLimit; count++) {
    const datagram = socket.receive()
    if (!datagram) return
    if (datagram === 'overrun') changed('more was changed in the ruleset than could be followed')
    else for (const message of eachMessage(datagram)) read(message)
  }
}

/** Given the messages in order; pure but for the call-backs. */
function transactionReader(
  isOwn: (pid: number) => boolean,
  changed: (what: string) => void,
): (message: Message) => void {
  let seen: Seen | undefined
  return (message) => {
    if (message.type >> 8 !== subsystem) return
    const type = message.type & 0xff
    if (type !== generation) {
      seen = heavier(seen, read(type, message.body))
      return
    }
    const by = readAttributes(message.body.subarray(4))
    const pid = by.get(generationPart.pid)?.readUInt32BE() ?? 0
    if (seen && !isOwn(message.port) && !isOwn(pid)) changed(sentence(seen, by, pid))
    seen = undefined
  }
}

function read(type: number, body: Buffer): Seen | undefined {
  const known = told[type]
  if (!known) return undefined
  const [weight, what] = known
  const parts = readAttributes(body.subarray(4))
  // NFTA_*_TABLE is attribute 1 of every kind, the table's own name too.
  if (readText(parts.get(1)) !== tableName) return undefined
  const isElements = type === elementsRemoved || type === elementsAdded
  const set = isElements ? readText(parts.get(2)) : ''
  return { weight, what, set, count: isElements ? readElements(body).elements.length : 1 }
}

/** Of one transaction the gravest is told; elements are counted. */
function heavier(before: Seen | undefined, now: Seen | undefined): Seen | undefined {
  if (!before || !now) return before ?? now
  if (before.weight !== now.weight) return before.weight > now.weight ? before : now
  const set = before.set === now.set ? before.set : 'several sets'
  return { ...now, set, count: before.count + now.count }
}

function sentence({ weight, what, set, count }: Seen, by: Attributes, pid: number): string {
  const who = `${readText(by.get(generationPart.name)) || 'an unknown process'} (pid ${pid})`
  return weight === 1 ? `${what} by ${who}: ${count} in ${set}` : `${what} by ${who}`
}
