/** Tells what the kernels of several namespaces say of their own nf_tables. It waits in poll(2), so it costs nothing. */
import koffi from 'koffi'
import { eachMessage } from '../../agent/kernel/bytes.ts'
import { readElements, subsystem } from '../../agent/kernel/message.ts'
import { inNamespace, openNftListener, receiveBytes } from './raw-socket.ts'

/** One line of JSON each. `at` in monotonic ns. */
export type KernelNews =
  | { news: 'ready' }
  /** A key was put into a set that blocks; `leftMs` until the kernel lets it go by itself. */
  | { news: 'element'; node: number; at: number; key: string; leftMs: number }
  /** A transaction of anybody was committed. */
  | { news: 'transaction'; node: number; at: number }

/** NFT_MSG_* */
const newElements = 12
const generation = 15

const libc = koffi.load(null)
const poll: (waiting: Uint8Array, count: number, ms: number) => number = libc.func(
  'int poll(void *, unsigned long, int)',
)
// PR_SET_PDEATHSIG: ends with whoever started this, since it hears of nothing while it waits.
libc.func('int prctl(int, unsigned long)')(1, 9)

const sockets = process.argv.slice(2).map((file) => inNamespace(file, openNftListener))
const waiting = Buffer.alloc(sockets.length * 8)
sockets.forEach((fd, index) => {
  waiting.writeInt32LE(fd, index * 8)
  waiting.writeInt16LE(1, index * 8 + 4)
})
tell([{ news: 'ready' }])
while (poll(waiting, sockets.length, 60_000) >= 0) {
  const at = Number(process.hrtime.bigint())
  tell(
    sockets.flatMap((fd, node) =>
      waiting.readInt16LE(node * 8 + 6) === 0 ? [] : read(fd, node, at),
    ),
  )
}

function read(fd: number, node: number, at: number): KernelNews[] {
  const news: KernelNews[] = []
  for (let bytes = receiveBytes(fd); Buffer.isBuffer(bytes); bytes = receiveBytes(fd))
    for (const { type, body } of eachMessage(bytes)) {
      if (type === ((subsystem << 8) | generation)) news.push({ news: 'transaction', node, at })
      if (type === ((subsystem << 8) | newElements)) news.push(...arrivals(body, node, at))
    }
  return news
}

function arrivals(body: Buffer, node: number, at: number): KernelNews[] {
  const { set, elements } = readElements(body)
  if (!set.startsWith('in_')) return []
  return elements.map(({ key, expiresMs = 0 }) => ({
    news: 'element',
    node,
    at,
    key: key.toString('hex'),
    leftMs: expiresMs,
  }))
}

function tell(news: readonly KernelNews[]): void {
  if (news.length === 0) return
  process.stdout.write(news.map((one) => `${JSON.stringify(one)}\n`).join(''))
}
