/**
 * Sends packets of many sources from the namespace it runs in, as fast as the kernel takes them, and times round trips.
 * Whole frames over a packet socket, a thousand to a call, so that what is measured is the receiver's side of the link:
 * the kernel works on each of them within the call.
 */
import { readFileSync } from 'node:fs'
import koffi from 'koffi'
import { percentile } from './figure.ts'
import { echoFrame, isEchoReply, udpFrame } from './frames.ts'
import { attacker } from './load.ts'

/** By that device. Sources are attackers `first` to `first + sources - 1`, far apart from one to the next. */
export type PacketOrder =
  | { do: 'flood'; device: string; first: number; sources: number; ms: number }
  | { do: 'pace'; device: string; first: number; sources: number; ms: number; perSecond: number }
  | { do: 'round trips'; device: string; first: number; times: number }
  | { do: 'stop' }
/** `rate`: packets a second in the middle one of all calls, most of which nothing else interrupts. */
export type Sent = { sent: number; ms: number; rate: number }
export type PacketAnswer = Sent | { us: number[] } | { failed: string }

const frameSize = 64
const mostAtOnce = 128
/** A call that takes no longer is mostly over before anything else is given the processor. */
const callMs = 0.3
/** Has no divisor in common with a number of sources that is smaller. */
const stride = 99_991

const libc = koffi.load(null)
const openSocket = libc.func('int socket(int, int, int)')
const bind = libc.func('int bind(int, const void *, uint32_t)')
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)')
const sendmmsg = libc.func('int sendmmsg(int, void *, unsigned int, int)')
const send = libc.func('intptr_t send(int, const void *, size_t, int)')
const recv = libc.func('intptr_t recv(int, void *, size_t, int)')

const sockets = new Map<string, number>()
const rings = new Map<string, Ring>()
let number = 0
let stopped = false

/** Not where its types are imported. */
if (process.send) {
  process.on('message', async (order: PacketOrder) => {
    stopped = order.do === 'stop'
    if (order.do !== 'stop') process.send?.(await carryOut(order))
  })
  // Whoever started this is gone: nothing is left behind.
  process.once('disconnect', () => process.exit(0))
  process.send({ sent: 0, ms: 0, rate: 0 } satisfies PacketAnswer)
}

async function carryOut(order: Exclude<PacketOrder, { do: 'stop' }>): Promise<PacketAnswer> {
  try {
    const fd = kept(sockets, order.device, () => packetSocket(order.device))
    if (order.do === 'round trips') return { us: roundTrips(fd, order.first, order.times) }
    const { first, sources } = order
    const ring = kept(rings, `${first} ${sources}`, () => makeRing(first, sources))
    return await (order.do === 'flood' ? flood(fd, ring, order.ms) : pace(fd, ring, order))
  } catch (error) {
    return { failed: String(error) }
  }
}

function flood(fd: number, ring: Ring, ms: number): Sent {
  const started = performance.now()
  const rates: number[] = []
  let sent = 0
  let now = started
  while (now < started + ms) {
    const before = now
    const few = sent === 0 ? 1 : Math.ceil((sent * callMs) / (now - started))
    const most = Math.min(few, mostAtOnce, ring.size - ring.next)
    const count = sendSome(fd, ring, ring.next, most)
    ring.next = (ring.next + count) % ring.size
    now = performance.now()
    rates.push((count * 1_000) / (now - before))
    sent += count
  }
  return { sent, ms: now - started, rate: percentile(rates, 0.5) }
}

/** Evenly, each at its time: a gap of a millisecond shows as packets that came through. */
async function pace(fd: number, ring: Ring, { ms, perSecond }: { ms: number; perSecond: number }) {
  const started = performance.now()
  let sent = 0
  for (let now = started; now < started + ms && !stopped; now = performance.now()) {
    const due = Math.min(mostAtOnce, Math.floor(((now - started) * perSecond) / 1_000) - sent)
    const at = sent % ring.size
    if (due > 0) sent += sendSome(fd, ring, at, Math.min(due, ring.size - at))
    // Also to hear that it is enough.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const took = performance.now() - started
  return { sent, ms: took, rate: (sent * 1_000) / took }
}

function sendSome(fd: number, ring: Ring, at: number, count: number): number {
  const sent = sendmmsg(fd, ring.messages.subarray(at * 64), count, 0)
  if (sent < 0) throw new Error(`sendmmsg: errno ${koffi.errno()}`)
  return sent
}

/** Of echo requests, which the kernel of the other side answers by itself. */
function roundTrips(fd: number, first: number, times: number): number[] {
  const answer = Buffer.alloc(2_048)
  return Array.from({ length: times }, () => {
    const id = ++number & 0xffff
    const frame = echoFrame(attacker(first + (id % 256)), id)
    const started = process.hrtime.bigint()
    send(fd, frame, frame.length, 0)
    do {
      if (recv(fd, answer, answer.length, 0) < 0)
        throw new Error(`no answer: errno ${koffi.errno()}`)
    } while (!isEchoReply(answer, id))
    return Number(process.hrtime.bigint() - started) / 1_000
  })
}

/** Once made it stays: the same packets go by every device from the same place in memory. */
function kept<Made>(all: Map<string, Made>, name: string, make: () => Made): Made {
  const found = all.get(name) ?? make()
  all.set(name, found)
  return found
}

/** A flood goes on at `next`, where the last one ended. `frames` is kept with the messages that point into it. */
type Ring = { messages: Buffer; size: number; next: number; frames: Buffer; vectors: Buffer }

function makeRing(first: number, sources: number): Ring {
  const size = Math.ceil(sources / mostAtOnce) * mostAtOnce
  const frames = Buffer.allocUnsafeSlow(size * frameSize)
  const vectors = Buffer.allocUnsafeSlow(size * 16)
  // struct mmsghdr
  const messages = Buffer.alloc(size * 64)
  const frameAt = koffi.address(frames)
  const vectorAt = koffi.address(vectors)
  for (let n = 0; n < size; n++) {
    const frame = udpFrame(attacker(first + ((n * stride) % sources)))
    frame.copy(frames, n * frameSize)
    vectors.writeBigUInt64LE(frameAt + BigInt(n * frameSize), n * 16)
    vectors.writeBigUInt64LE(BigInt(frame.length), n * 16 + 8)
    messages.writeBigUInt64LE(vectorAt + BigInt(n * 16), n * 64 + 16)
    messages.writeBigUInt64LE(1n, n * 64 + 24)
  }
  return { messages, size, next: 0, frames, vectors }
}

/** Past the queue of the device; a receive gives up after a second. */
function packetSocket(device: string): number {
  const fd = openSocket(17, 3, 0x0008)
  const address = Buffer.alloc(20)
  address.writeUInt16LE(17)
  address.writeUInt16BE(0x0800, 2)
  address.writeInt32LE(Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8')), 4)
  const second = Buffer.alloc(16)
  second.writeBigInt64LE(1n)
  const one = Buffer.from([1, 0, 0, 0])
  if (
    fd < 0 ||
    bind(fd, address, address.length) < 0 ||
    setsockopt(fd, 263, 20, one, 4) < 0 ||
    setsockopt(fd, 1, 20, second, second.length) < 0
  )
    throw new Error(`packet socket: errno ${koffi.errno()}`)
  return fd
}
