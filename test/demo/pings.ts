/** Echo requests from clients to nodes: when each was sent, whether the node received it, whether it was answered. */
import { isIPv6 } from 'node:net'
import { inNamespace, openSocket, receiveBytes, sendBytes, socketAddress } from './raw-socket.ts'
import type { ClientOrder, NodeOrder } from './traffic-process.ts'

/** Of one client, in the order of the nodes. */
export type PingsSeen = { sent: number; received: number; answered: number; cuts: Cut[] }[]
/** Sending times, monotonic ns: of the last ping that came in, the first lost one, the first that came in again. */
export type Cut = { lastIn: number | undefined; firstLost: number; firstIn: number | undefined }

/** A ping is lost when it was not received after this time: a thousand times what a veth takes. */
const lostAfterNs = 250e6

type Stream = {
  sources: number[]
  to: Uint8Array
  six: boolean
  every: number
  sentAt: number[]
  received: boolean[]
  answers: number
  judged: number
  lastIn: number | undefined
  cuts: Cut[]
}

export class Pings {
  readonly #nodes: number
  #ticks = 0
  readonly #streams: Stream[]
  readonly #ears: [fd: number, six: boolean][]
  readonly #mouths: ReadonlyMap<number, boolean>

  constructor(order: { clientNamespace: string; clients: ClientOrder[]; nodes: NodeOrder[] }) {
    this.#nodes = order.nodes.length
    this.#streams = inNamespace(order.clientNamespace, () =>
      order.clients.flatMap((client) => openStreams(client, order.nodes)),
    )
    this.#mouths = new Map(
      this.#streams.flatMap(({ sources, six }) => sources.map((source) => [source, six])),
    )
    this.#ears = order.nodes.flatMap(({ namespace, address4, address6 }) =>
      inNamespace(namespace, () =>
        [address4, address6].map((own): [number, boolean] => [
          openSocket('echo', own),
          isIPv6(own),
        ]),
      ),
    )
  }

  tick(now: number): void {
    this.#ticks++
    this.#streams.forEach((stream, id) => {
      if (this.#ticks % stream.every !== 0) return
      const sequence = stream.sentAt.length
      const source = stream.sources[sequence % stream.sources.length]
      if (source === undefined) return
      stream.sentAt.push(now)
      stream.received.push(false)
      sendBytes(source, echoRequest(id, sequence, stream.six), stream.to)
    })
    this.hear()
  }

  /** Reads what came in at the nodes and back at the clients. */
  hear(): void {
    for (const [ear, six] of this.#ears)
      this.#drain(ear, six, six ? 128 : 8, (stream, sequence) => {
        if (sequence < stream.received.length) stream.received[sequence] = true
      })
    for (const [mouth, six] of this.#mouths)
      this.#drain(mouth, six, six ? 129 : 0, (stream) => {
        stream.answers++
      })
  }

  /** By client, then by node. */
  seen(now: number): PingsSeen[] {
    this.hear()
    for (const stream of this.#streams) judge(stream, now)
    const all = this.#streams.map(({ sentAt, received, answers, cuts }) => ({
      sent: sentAt.length,
      received: received.filter(Boolean).length,
      answered: answers,
      cuts,
    }))
    return Array.from({ length: all.length / this.#nodes }, (_, client) =>
      all.slice(client * this.#nodes, (client + 1) * this.#nodes),
    )
  }

  #drain(fd: number, six: boolean, type: number, take: (stream: Stream, sequence: number) => void) {
    for (let bytes = receiveBytes(fd); Buffer.isBuffer(bytes); bytes = receiveBytes(fd)) {
      // A raw IPv4 socket also gets the IP header.
      const echo = six ? bytes : bytes.subarray(((bytes[0] ?? 0) & 15) * 4)
      const stream =
        echo[0] === type && echo.length >= 8 ? this.#streams[echo.readUInt16BE(4)] : undefined
      if (stream) take(stream, echo.readUInt16BE(6))
    }
  }
}

function openStreams({ sources, every }: ClientOrder, nodes: readonly NodeOrder[]): Stream[] {
  const six = isIPv6(sources[0] ?? '')
  const mouths = sources.map((source) => openSocket('echo', source))
  return nodes.map(({ address4, address6 }) => ({
    sources: mouths,
    to: socketAddress(six ? address6 : address4),
    six,
    every,
    sentAt: [],
    received: [],
    answers: 0,
    judged: 0,
    lastIn: undefined,
    cuts: [],
  }))
}

/** Goes on from the last ping judged; those still under way are left for the next time. */
function judge(stream: Stream, now: number): void {
  for (; stream.judged < stream.sentAt.length; stream.judged++) {
    const at = stream.sentAt[stream.judged] ?? 0
    const cut = stream.cuts.at(-1)
    const open = cut !== undefined && cut.firstIn === undefined
    if (stream.received[stream.judged]) {
      if (open) cut.firstIn = at
      stream.lastIn = at
      continue
    }
    if (now - at < lostAfterNs) return
    if (!open) stream.cuts.push({ lastIn: stream.lastIn, firstLost: at, firstIn: undefined })
  }
}

function echoRequest(id: number, sequence: number, six: boolean): Uint8Array {
  const echo = Buffer.alloc(16)
  echo[0] = six ? 128 : 8
  echo.writeUInt16BE(id, 4)
  echo.writeUInt16BE(sequence & 0xffff, 6)
  // The kernel makes the checksum of ICMPv6 only. Everything else here is zero.
  if (!six) echo.writeUInt16BE(checksum([0x0800, id, sequence & 0xffff]), 2)
  return echo
}

function checksum(words: readonly number[]): number {
  let sum = words.reduce((total, word) => total + word, 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
