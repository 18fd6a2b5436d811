/** Sockets of the C library that live in a network namespace of choice: raw echo, TCP and netlink, none of them waits. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { readAddress } from '#contract/address.ts'

const libc = koffi.load(null)
const setns: (fd: number, kind: number) => number = libc.func('int setns(int, int)')
const socket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int, int, int)',
)
type WithAddress = (fd: number, address: Uint8Array, length: number) => number
const bind: WithAddress = libc.func('int bind(int, const void *, uint32_t)')
const connect: WithAddress = libc.func('int connect(int, const void *, uint32_t)')
const listen: (fd: number, waiting: number) => number = libc.func('int listen(int, int)')
const accept: (fd: number, address: null, length: null, flags: number) => number = libc.func(
  'int accept4(int, void *, void *, int)',
)
const setOption: (
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  size: number,
) => number = libc.func('int setsockopt(int, int, int, const void *, uint32_t)')
const sendTo: (
  fd: number,
  bytes: Uint8Array,
  size: number,
  flags: number,
  address: Uint8Array | null,
  length: number,
) => number = libc.func('intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)')
const receive: (fd: number, bytes: Uint8Array, size: number, flags: number) => number = libc.func(
  'intptr_t recv(int, void *, size_t, int)',
)
const close: (fd: number) => number = libc.func('int close(int)')

const CLONE_NEWNET = 0x40000000
const SOCK_NONBLOCK = 0x800
const MSG_NOSIGNAL = 0x4000
const EAGAIN = 11
const EINPROGRESS = 115
const kinds = {
  tcp: { type: 1, protocol: { 4: 6, 6: 6 } },
  echo: { type: 3, protocol: { 4: 1, 6: 58 } },
} as const

const room = Buffer.allocUnsafeSlow(65_536)

/** Opens sockets in the namespace that this file stands for; they stay there. */
export function inNamespace<Result>(file: string, open: () => Result): Result {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  const there = openSync(file, 'r')
  try {
    must(setns(there, CLONE_NEWNET), `enter ${file}`)
    return open()
  } finally {
    must(setns(home, CLONE_NEWNET), 'come back')
    closeSync(there)
    closeSync(home)
  }
}

/** Of the family of the address, and bound to it. */
export function openSocket(kind: 'tcp' | 'echo', address: string, port = 0): number {
  const { family } = readAddress(address)
  const { type, protocol } = kinds[kind]
  const fd = must(
    socket(family === 4 ? 2 : 10, type | SOCK_NONBLOCK, protocol[family]),
    `open a socket for ${address}`,
  )
  const name = socketAddress(address, port)
  must(bind(fd, name, name.length), `bind ${address}`)
  return fd
}

/** Hears of every change of nf_tables in the namespace where it is opened. */
export function openNftListener(): number {
  const fd = must(socket(16, 3 | SOCK_NONBLOCK, 12), 'open a netlink socket')
  const name = Buffer.alloc(12)
  name.writeUInt16LE(16)
  must(bind(fd, name, name.length), 'bind a netlink socket')
  must(setOption(fd, 270, 1, int(7), 4), 'listen to nf_tables')
  return fd
}

export function startListening(fd: number): void {
  must(listen(fd, 8), 'listen')
}

/** Undefined when nobody has called. */
export function acceptOne(fd: number): number | undefined {
  const peer = accept(fd, null, null, SOCK_NONBLOCK)
  return peer < 0 ? undefined : peer
}

/** Under way when this returns; sending works once it stands. */
export function startConnecting(fd: number, address: string, port: number): void {
  const name = socketAddress(address, port)
  if (connect(fd, name, name.length) < 0 && koffi.errno() !== EINPROGRESS)
    must(-1, `connect to ${address}`)
}

/** Whether it was taken, or the number of the error that ended the socket. */
export function sendBytes(fd: number, bytes: Uint8Array, to?: Uint8Array): boolean | number {
  const sent = sendTo(fd, bytes, bytes.length, MSG_NOSIGNAL, to ?? null, to?.length ?? 0)
  return sent >= 0 || ended()
}

/** What waits, undefined when nothing does, or the number of the error. The bytes hold until the next call. */
export function receiveBytes(fd: number): Buffer | undefined | number {
  const size = receive(fd, room, room.length, 0)
  return size >= 0 ? room.subarray(0, size) : ended() || undefined
}

export function closeSocket(fd: number): void {
  close(fd)
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
export function socketAddress(text: string, port = 0): Uint8Array {
  const { family, bytes } = readAddress(text)
  const name = Buffer.alloc(family === 4 ? 16 : 28)
  name.writeUInt16LE(family === 4 ? 2 : 10)
  name.writeUInt16BE(port, 2)
  name.set(bytes, family === 4 ? 4 : 8)
  return name
}

function ended(): false | number {
  const errno = koffi.errno()
  return errno === EAGAIN ? false : errno
}

function must(result: number, what: string): number {
  if (result >= 0) return result
  throw new Error(`cannot ${what}: errno ${koffi.errno()}`)
}

function int(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
