/** How many datagrams the kernel brought as far as a socket, by its own counters: nobody reads them. */
import { readFileSync } from 'node:fs'
import koffi from 'koffi'
import { inNamespace } from './enter.ts'

/** Of this namespace, or of the one that is named: also those for which there was no socket, or no room in it. */
export function delivered(namespace?: string): number {
  const lines = inNamespace(namespace, () => readFileSync('/proc/net/snmp', 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('Udp: '))
  const [names = [], values = []] = lines.map((line) => line.split(' '))
  return ['InDatagrams', 'NoPorts', 'RcvbufErrors'].reduce(
    (sum, name) => sum + Number(values[names.indexOf(name)]),
    0,
  )
}

/** A UDP socket that is never read: no answer is made for what comes, and all of it is counted. Returns its end. */
export function unreadSocket(port: number, namespace?: string): () => void {
  const libc = koffi.load(null)
  const open = libc.func('int socket(int, int, int)')
  const fd: number = inNamespace(namespace, () => open(2, 2, 0))
  const address = Buffer.alloc(16)
  address.writeUInt16LE(2)
  address.writeUInt16BE(port, 2)
  if (libc.func('int bind(int, const void *, uint32_t)')(fd, address, address.length) < 0)
    throw new Error(`bind: errno ${koffi.errno()}`)
  return () => void libc.func('int close(int)')(fd)
}
