/**
 * Tells when elements arrive in the kernels of several namespaces, from the kernels' own notifications: one line
 * `<namespace index> <monotonic ns> <hex key>` an element. Blocks in poll(2), so it costs nothing while it waits.
 * Keys that do not begin with CORDON_BENCH_NAMED are only counted, `=<number>` for those that came together.
 */
import { openSync, writeSync } from 'node:fs'
import koffi from 'koffi'
import { readElements, subsystem } from '../../agent/kernel/message.ts'

const libc = koffi.load(null)
const setns = libc.func('int setns(int, int)')
const socket = libc.func('int socket(int, int, int)')
const bind = libc.func('int bind(int, const void *, uint32_t)')
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)')
const recv = libc.func('intptr_t recv(int, void *, size_t, int)')
const poll = libc.func('int poll(void *, unsigned long, int)')

const CLONE_NEWNET = 0x40000000
const newElements = 12
/** NFTA_SET_ELEM_LIST_* */
const setName = 2
const elementList = 3
const room = Buffer.alloc(1_048_576)
const named = process.env.CORDON_BENCH_NAMED ?? ''

// PR_SET_PDEATHSIG: ends with whoever started this, since it blocks and hears of nothing.
libc.func('int prctl(int, unsigned long)')(1, 9)

const sockets = process.argv.slice(2).map(openIn)
const waiting = Buffer.alloc(sockets.length * 8)
sockets.forEach((fd, index) => {
  waiting.writeInt32LE(fd, index * 8)
  waiting.writeInt16LE(1, index * 8 + 4)
})
writeSync(1, 'ready\n')
for (;;) {
  if (poll(waiting, sockets.length, 600_000) <= 0) break
  const now = process.hrtime.bigint()
  sockets.forEach((fd, index) => {
    if (waiting.readInt16LE(index * 8 + 6) !== 0) drain(fd, index, now)
  })
}

function openIn(namespace: string): number {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  setns(openSync(`/run/netns/${namespace}`, 'r'), CLONE_NEWNET)
  const fd = socket(16, 3 | 0x800, 12)
  const address = Buffer.alloc(12)
  address.writeUInt16LE(16)
  bind(fd, address, 12)
  setsockopt(fd, 1, 33, int(512 * 1_048_576), 4)
  setsockopt(fd, 270, 1, int(7), 4)
  setns(home, CLONE_NEWNET)
  return fd
}

function drain(fd: number, index: number, now: bigint): void {
  let lines = ''
  let others = 0
  for (
    let size = recv(fd, room, room.length, 0);
    size !== -1;
    size = recv(fd, room, room.length, 0)
  ) {
    for (let at = 0, length = 0; at + 16 <= Number(size); at += (length + 3) & ~3) {
      length = room.readUInt32LE(at)
      if (length < 16) break
      if (room.readUInt16LE(at + 4) !== ((subsystem << 8) | newElements)) continue
      const other = countOthers(at, at + length)
      others += other
      if (other > 0) continue
      const { set, elements } = readElements(room.subarray(at + 16, at + length))
      if (isBlocking(set))
        for (const { key } of elements) lines += `${index} ${now} ${key.toString('hex')}\n`
    }
  }
  if (others > 0) lines += `${index} ${now} =${others}\n`
  if (lines !== '') writeSync(1, lines)
}

/**
 * How many elements this message tells of, when they are not to be named: 0 when they are, or are not counted. Read where
 * they lie: to make an object of each of a million keeps a processor busy that the measured ones need.
 */
function countOthers(from: number, to: number): number {
  let isCounted = false
  for (let at = from + 20; at + 4 <= to; at += (room.readUInt16LE(at) + 3) & ~3) {
    const length = room.readUInt16LE(at)
    const part = room.readUInt16LE(at + 2) & 0x3fff
    if (length < 4) break
    if (part === setName) isCounted = isBlocking(room.toString('latin1', at + 4, at + 9))
    if (part === elementList) return isCounted ? countIn(at + 4, at + length) : 0
  }
  return 0
}

/** The key is the first part of an element, and its bytes the only part of that. */
function countIn(from: number, to: number): number {
  let count = 0
  for (let at = from; at + 4 <= to; at += (room.readUInt16LE(at) + 3) & ~3) {
    if (room.toString('hex', at + 12, at + 12 + named.length / 2) === named) return 0
    count++
  }
  return count
}

function isBlocking(set: string): boolean {
  return set.startsWith('in_') || set.startsWith('feeds')
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
