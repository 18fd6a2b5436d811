/** A netlink socket to nf_tables, by calls into the C library. */
import koffi from 'koffi'
import { refused } from './refusal.ts'

/** From the kernel's headers; the same on every architecture that koffi runs on here. */
const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_NONBLOCK = 0x800
const SOCK_CLOEXEC = 0x80000
const NETLINK_NETFILTER = 12
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_ATTACH_FILTER = 26
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_DROP_MEMBERSHIP = 2
const NETLINK_CAP_ACK = 10
const EAGAIN = 11
const EINTR = 4
const ENOBUFS = 105

const libc = koffi.load(null)
const openSocket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int, int, int)',
)
const bindSocket: (fd: number, address: Uint8Array, length: number) => number = libc.func(
  'int bind(int, const void *, uint32_t)',
)
const nameOfSocket: (fd: number, address: Uint8Array, length: Uint8Array) => number = libc.func(
  'int getsockname(int, void *, void *)',
)
const setOption: (
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  length: number,
) => number = libc.func('int setsockopt(int, int, int, const void *, uint32_t)')
const sendBytes: SendFunction = libc.func('intptr_t send(int, const void *, size_t, int)')
const receiveBytes: (fd: number, bytes: Uint8Array, size: number, flags: number) => number =
  libc.func('intptr_t recv(int, void *, size_t, int)')
const closeSocket: (fd: number) => number = libc.func('int close(int)')

type SendFunction = {
  (fd: number, bytes: Uint8Array, size: number, flags: number): number
  async: (
    fd: number,
    bytes: Uint8Array,
    size: number,
    flags: number,
    done: (error: unknown, sent: number) => void,
  ) => void
}

export type NetlinkSocket = {
  readonly port: number
  /** The kernel has worked on the message, and its answers wait, when this returns. */
  send(bytes: Uint8Array): void
  /** The same on another thread, for what would hold up the event loop. */
  sendAside(bytes: Uint8Array): Promise<void>
  /** One datagram, undefined when none waits; `'overrun'` when the kernel had to drop some. */
  receive(): Buffer | 'overrun' | undefined
  setOption(level: number, name: number, value: Uint8Array): void
  close(): void
}

/** Throws `no_privilege` or `kernel_refused`. */
export function openNetlink(): NetlinkSocket {
  const fd = openSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)
  if (fd < 0) throw refused(koffi.errno(), 'cannot open a netlink socket')
  try {
    return useSocket(fd)
  } catch (error) {
    closeSocket(fd)
    throw error
  }
}

/** Lets the socket hear of every change to any table; what `exceptFrom` did itself is not even queued. */
export function listen(socket: NetlinkSocket, group: number, exceptFrom: number | undefined): void {
  if (exceptFrom !== undefined) socket.setOption(SOL_SOCKET, SO_ATTACH_FILTER, notFrom(exceptFrom))
  socket.setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, int(group))
}

/** From now on nothing more is queued. */
export function stopListening(socket: NetlinkSocket, group: number): void {
  socket.setOption(SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, int(group))
}

function useSocket(fd: number): NetlinkSocket {
  if (bindSocket(fd, netlinkAddress(), 12) < 0)
    throw refused(koffi.errno(), 'cannot bind a netlink socket')
  const large = int(512 * 1024 * 1024)
  // A transaction is one message, however large. Without the privilege the system's limit holds.
  if (setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, large, 4) < 0)
    setOption(fd, SOL_SOCKET, SO_SNDBUF, large, 4)
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, int(4 * 1024 * 1024), 4)
  setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, int(1), 4)
  const room = Buffer.allocUnsafeSlow(65_536)
  return {
    port: portOf(fd),
    send(bytes) {
      if (sendBytes(fd, bytes, bytes.length, 0) !== bytes.length)
        throw refused(koffi.errno(), 'cannot send to the kernel')
    },
    sendAside: (bytes) => sendAside(fd, bytes),
    receive() {
      const size = receiveBytes(fd, room, room.length, 0)
      if (size >= 0) return Buffer.from(room.subarray(0, size))
      const errno = koffi.errno()
      if (errno === EAGAIN || errno === EINTR) return undefined
      if (errno === ENOBUFS) return 'overrun'
      throw refused(errno, "cannot read the kernel's answer")
    },
    setOption(level, name, value) {
      if (setOption(fd, level, name, value, value.length) < 0)
        throw refused(koffi.errno(), 'cannot set up a netlink socket')
    },
    close() {
      closeSocket(fd)
    },
  }
}

function sendAside(fd: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    sendBytes.async(fd, bytes, bytes.length, 0, (error, sent) => {
      if (error) reject(error)
      // The error number belongs to the other thread and is lost.
      else if (sent !== bytes.length) reject(refused(0, 'cannot send to the kernel'))
      else resolve()
    })
  })
}

/**
 * Classic BPF: a datagram whose first message comes from this port is dropped (the kernel packs only messages of
 * one transaction together). `ld [12]; jeq port, 0, 1; ret 0; ret all`. Words are loaded in network order.
 */
function notFrom(port: number): Uint8Array {
  const swapped = Buffer.alloc(4)
  swapped.writeUInt32LE(port)
  const program: [code: number, yes: number, no: number, value: number][] = [
    [0x20, 0, 0, 12],
    [0x15, 0, 1, swapped.readUInt32BE()],
    [0x06, 0, 0, 0],
    [0x06, 0, 0, 0xffffffff],
  ]
  const code = Buffer.allocUnsafeSlow(program.length * 8)
  program.forEach(([operation, yes, no, value], index) => {
    code.writeUInt16LE(operation, index * 8)
    code.writeUInt8(yes, index * 8 + 2)
    code.writeUInt8(no, index * 8 + 3)
    code.writeUInt32LE(value, index * 8 + 4)
  })
  // struct sock_fprog: a count, and a pointer to the program, which the kernel copies at once.
  const header = Buffer.alloc(16)
  header.writeUInt16LE(program.length)
  header.writeBigUInt64LE(koffi.address(code), 8)
  return header
}

function netlinkAddress(): Uint8Array {
  const address = Buffer.alloc(12)
  address.writeUInt16LE(AF_NETLINK)
  return address
}

function portOf(fd: number): number {
  const address = Buffer.alloc(12)
  if (nameOfSocket(fd, address, int(12)) < 0)
    throw refused(koffi.errno(), 'cannot learn the port of a netlink socket')
  return address.readUInt32LE(4)
}

function int(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
