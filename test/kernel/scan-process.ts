/** Tries ports from the namespace that it is started in, as its words say: one JSON text for each kind of attempt. */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import koffi from 'koffi'
import { readAddress } from '#contract/address.ts'

/** `tcp` waits for each answer, `udp` sends, `fin` sends a TCP packet with only FIN; `echo` answers so many datagrams. */
export type Attempting = {
  how: 'tcp' | 'udp' | 'fin' | 'echo'
  from: string
  to: string[]
  /** The first port, and how many. */
  ports: [number, number]
  times?: number
}
/** SYNs of so many sources, each to one of so many ports. Sources are counted up in the last 32 bits. */
export type Flooding = { how: 'flood'; from: string; sources: number; to: string; ports: number }

async function attempt({ how, from, to, ports: [first, count], times = 1 }: Attempting) {
  if (how === 'echo') return echo(from, first, times)
  for (let time = 0; time < times; time += 50) {
    const round = to.flatMap((host) =>
      Array.from({ length: count }, (_, i) => ({ host, port: first + i })),
    )
    const several = Math.min(50, times - time)
    await Promise.all(
      Array.from({ length: several }, () => round)
        .flat()
        .map(({ host, port }) => ways[how](from, host, port)),
    )
  }
}

const ways = { tcp: call, udp: send, fin: async (...words: Words) => forge([0x01], ...words) }
type Words = [from: string, to: string, port: number]

function call(...[from, host, port]: Words): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress: from })
    socket.once('connect', () => socket.destroy())
    socket.once('error', () => {})
    socket.once('close', () => resolve())
  })
}

function send(...[from, host, port]: Words): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(from) ? 'udp6' : 'udp4')
    socket.bind(0, from, () => socket.send('?', port, host, () => socket.close(() => resolve())))
  })
}

function echo(from: string, port: number, times: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    let left = times
    socket.on('message', (bytes, peer) =>
      socket.send(bytes, peer.port, peer.address, () => {
        if (--left === 0) socket.close(() => resolve())
      }),
    )
    socket.bind(port, from, () => process.stdout.write('ready\n'))
  })
}

const libc = koffi.load(null)
const openSocket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int, int, int)',
)
const sendTo: (
  fd: number,
  bytes: Uint8Array,
  size: number,
  flags: number,
  address: Uint8Array,
  length: number,
) => number = libc.func('intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)')

async function flood({ from, sources, to, ports }: Flooding): Promise<void> {
  const way = raw(to)
  const packet = tcpPacket(from, to, 0x02)
  const size = packet.length - 20
  const last = isIPv6(to) ? 20 : 12
  const begin = packet.readUInt32BE(last)
  for (let source = 0; source < sources; source++) {
    packet.writeUInt32BE(begin + source, last)
    for (let port = 1; port <= ports; port++) {
      packet.writeUInt16BE(port, size + 2)
      way(packet)
    }
    if (source % 1_000 === 0) await new Promise(setImmediate)
  }
}

function forge([flags = 0]: readonly number[], from: string, to: string, port: number): void {
  const packet = tcpPacket(from, to, flags)
  packet.writeUInt16BE(port, packet.length - 18)
  raw(to)(packet)
}

/** A header that goes as it is written. The kernel fills in what it alone knows. */
function raw(to: string): (packet: Uint8Array) => void {
  const six = isIPv6(to)
  const fd = openSocket(six ? 10 : 2, 3, 255)
  if (fd < 0) throw new Error(`no raw socket: errno ${koffi.errno()}`)
  const name = Buffer.alloc(six ? 28 : 16)
  name.writeUInt16LE(six ? 10 : 2)
  name.set(readAddress(to).bytes, six ? 8 : 4)
  return (packet) => {
    if (sendTo(fd, packet, packet.length, 0, name, name.length) < 0)
      throw new Error(`cannot send: errno ${koffi.errno()}`)
  }
}

/** 20 bytes of TCP behind a header of IP; its checksum is wrong, as nobody gets so far as to look. */
function tcpPacket(from: string, to: string, flags: number): Buffer {
  const [source, target] = [readAddress(from).bytes, readAddress(to).bytes]
  const six = source.length === 16
  const packet = Buffer.alloc(six ? 60 : 40)
  packet[0] = six ? 0x60 : 0x45
  if (six) {
    packet.writeUInt16BE(20, 4)
    packet.set([6, 64], 6)
  } else packet.set([64, 6], 8)
  packet.set(source, six ? 8 : 12)
  packet.set(target, six ? 24 : 16)
  packet.writeUInt16BE(40_000, packet.length - 20)
  packet[packet.length - 8] = 0x50
  packet[packet.length - 7] = flags
  return packet
}

if (process.argv[1] === import.meta.filename) {
  const orders: (Attempting | Flooding)[] = process.argv.slice(2).map((text) => JSON.parse(text))
  for (const order of orders) await (order.how === 'flood' ? flood(order) : attempt(order))
}
