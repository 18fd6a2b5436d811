/** Writes small MMDB files (MaxMind DB format 2.0) for tests: an IPv6 tree in which IPv4 stands below ::/96. */
import { readAddress } from '#contract/address.ts'

export type Value = string | number | boolean | { readonly [key: string]: Value }
export type Entry = readonly [network: string, record: Value]

type Node = [left: Branch, right: Branch]
type Branch = Node | number | undefined

export function writeMmdb(
  entries: readonly Entry[],
  { type = 'test', built = 1_767_225_600 } = {},
): Buffer {
  const data: Buffer[] = []
  let size = 0
  const root: Node = [undefined, undefined]
  for (const [network, record] of entries) {
    insert(root, bitsOf(network), size)
    const encoded = encode(record)
    data.push(encoded)
    size += encoded.length
  }
  const nodes: Node[] = []
  number(root, nodes)
  const index = new Map(nodes.map((node, at) => [node, at]))
  const tree = Buffer.alloc(nodes.length * 6)
  for (const [at, node] of nodes.entries())
    for (const [side, branch] of node.entries()) {
      const nowhere = nodes.length
      const value =
        branch === undefined
          ? nowhere
          : typeof branch === 'number'
            ? nowhere + 16 + branch
            : (index.get(branch) ?? 0)
      tree.writeUIntBE(value, at * 6 + side * 3, 3)
    }
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: built,
    database_type: type,
    ip_version: 6,
    node_count: nodes.length,
    record_size: 24,
  })
  const marker = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex')
  return Buffer.concat([tree, Buffer.alloc(16), ...data, marker, metadata])
}

function bitsOf(network: string): number[] {
  const { bytes, prefix, family } = readAddress(network)
  const padding = family === 4 ? Array.from({ length: 96 }, () => 0) : []
  const bits = [...bytes].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((at) => (byte >> at) & 1))
  return [...padding, ...bits.slice(0, prefix)]
}

function insert(root: Node, bits: readonly number[], offset: number): void {
  let node = root
  for (const [at, bit] of bits.entries()) {
    const side = bit === 0 ? 0 : 1
    if (at === bits.length - 1) {
      node[side] = offset
      return
    }
    const next = node[side]
    if (typeof next === 'object') node = next
    else {
      const fresh: Node = [undefined, undefined]
      node[side] = fresh
      node = fresh
    }
  }
}

function number(node: Node, nodes: Node[]): void {
  nodes.push(node)
  for (const branch of node) if (typeof branch === 'object') number(branch, nodes)
}

/** Types 2 (text), 6 (unsigned of 32 bits), 7 (map), 14 (boolean). */
function encode(value: Value): Buffer {
  if (typeof value === 'string')
    return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0, 7])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return Buffer.concat([control(6, 4), bytes])
  }
  const pairs = Object.entries(value)
  return Buffer.concat([
    control(7, pairs.length),
    ...pairs.flatMap(([key, item]) => [encode(key), encode(item)]),
  ])
}

function control(type: number, size: number): Buffer {
  return size < 29 ? Buffer.from([(type << 5) | size]) : Buffer.from([(type << 5) | 29, size - 29])
}
