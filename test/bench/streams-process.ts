/**
 * Holds many streams of the service at once, and says when an envelope has come by every one of them: a line
 * `<monotonic ns of the first> <of the last>`. Raw sockets and epoll(7), so that little of what is measured is ours.
 */
import { writeSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load(null)
const openSocket = libc.func('int socket(int, int, int)')
const connect = libc.func('int connect(int, const void *, uint32_t)')
const send = libc.func('intptr_t send(int, const void *, size_t, int)')
const recv = libc.func('intptr_t recv(int, void *, size_t, int)')
const epollCreate = libc.func('int epoll_create1(int)')
const epollControl = libc.func('int epoll_ctl(int, int, int, void *)')
const epollWait = libc.func('int epoll_wait(int, void *, int, int)')

/** PR_SET_PDEATHSIG: ends with whoever started this, since it blocks and hears of nothing. */
libc.func('int prctl(int, unsigned long)')(1, 9)

/** struct epoll_event is packed on x86-64 only. */
const eventSize = process.arch === 'x64' ? 12 : 16
const dataAt = eventSize - 8
const events = Buffer.alloc(1_024 * eventSize)
const room = Buffer.alloc(65_536)

const count = Number(process.argv[2])
const port = Number(process.argv[3])
const request = Buffer.from(
  [
    'GET /v1/stream HTTP/1.1',
    `host: 127.0.0.1:${port}`,
    `authorization: Bearer ${process.env.CORDON_BENCH_TOKEN}`,
    '\r\n',
  ].join('\r\n'),
)
const epoll = epollCreate(0)
for (let n = 0; n < count; n++) open()

let greeted = 0
let reached = 0
let first = 0n
for (;;) {
  const ready = epollWait(epoll, events, 1_024, 600_000)
  if (ready <= 0) break
  const now = process.hrtime.bigint()
  for (let at = 0; at < ready; at++) read(events.readInt32LE(at * eventSize + dataAt), now)
}

function open(): void {
  const fd: number = openSocket(2, 1, 0)
  const address = Buffer.from([2, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
  if (connect(fd, address, address.length) < 0) throw new Error(`connect: errno ${koffi.errno()}`)
  send(fd, request, request.length, 0)
  const event = Buffer.alloc(eventSize)
  event.writeUInt32LE(1)
  event.writeInt32LE(fd, dataAt)
  epollControl(epoll, 1, fd, event)
}

function read(fd: number, now: bigint): void {
  const size = Number(recv(fd, room, room.length, 0))
  if (size <= 0) throw new Error('a stream ended')
  const bytes = room.subarray(0, size)
  // Whoever is greeted is told next to ask for the state, and is among those that listen from then on.
  if (bytes.includes('event: resync') && ++greeted === count) writeSync(1, 'ready\n')
  if (!bytes.includes('event: envelope')) return
  if (reached === 0) first = now
  if (++reached < count) return
  reached = 0
  writeSync(1, `${first} ${process.hrtime.bigint()}\n`)
}
