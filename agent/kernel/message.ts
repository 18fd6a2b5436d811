/**
 * The few nf_tables netlink messages that change and read set elements, as bytes (numbers of nf_tables are in
 * network order, netlink's own in the machine's).
 */
import type { Address } from '#contract/address.ts'
import { eachAttribute, MessageWriter, readAttributes } from './bytes.ts'
import type { SetName } from './firewall.ts'
import { type AnySet, setSpec } from './sets.ts'
import { type Element, kernelTime, type Step } from './transaction.ts'

export const subsystem = 10
const inet = 1
/** NFT_MSG_*SETELEM */
const elementMessage = { add: 12, get: 13, delete: 14, destroy: 30 } as const
const batchBegin = 0x10
const batchEnd = 0x11
const request = 1
const acknowledge = 4
const create = 0x400
const nested = 0x8000
/** NFTA_SET_ELEM_LIST_*, NFTA_SET_ELEM_* */
const list = { table: 1, set: 2, elements: 3 } as const
const elementPart = { key: 1, flags: 3, timeout: 4, expiration: 5 } as const
/** NFTA_LIST_ELEM, NFTA_DATA_VALUE */
const one = 1
const intervalEnd = 1
/** An attribute's length has 16 bits. */
const elementsLimit = 65_000

export type Batch = {
  readonly bytes: Uint8Array
  readonly firstSequence: number
  /** The only message that asks for an acknowledgement; errors are sent for any. */
  readonly lastSequence: number
  /** The set that each message is about, by its sequence less the first. */
  readonly sets: readonly string[]
}

/** What fits into one message. `timed`: elements go with their time. */
type Piece = {
  set: AnySet
  type: number
  flags: number
  timed: boolean
  elements?: readonly Element[]
}

/** All steps as one transaction. There must be at least one. */
export function encodeBatch(table: string, steps: readonly Step[], firstSequence: number): Batch {
  const pieces = steps.flatMap(piecesOf)
  const out = new MessageWriter(sizeOf(pieces))
  bracket(out, batchBegin, firstSequence)
  pieces.forEach((piece, index) => {
    const flags = piece.flags | (index === pieces.length - 1 ? acknowledge : 0)
    elementsMessage(out, table, { ...piece, flags }, firstSequence + 1 + index)
  })
  const lastSequence = firstSequence + pieces.length
  bracket(out, batchEnd, lastSequence + 1)
  return {
    bytes: out.bytes(),
    firstSequence,
    lastSequence,
    sets: ['', ...pieces.map((piece) => piece.set)],
  }
}

/** Asks for one element: the one with this key or, of intervals, the start of the one around it. */
export function encodeGet(
  table: string,
  set: SetName,
  key: Uint8Array,
  sequence: number,
): Uint8Array {
  const out = new MessageWriter(256)
  const type = (subsystem << 8) | elementMessage.get
  const start = out.openMessage(type, request | acknowledge, sequence, inet, 0)
  out.text(list.table, table)
  out.text(list.set, set)
  const elements = out.open(list.elements | nested)
  writeElement(out, key, undefined, false)
  out.close(elements)
  out.closeMessage(start)
  return out.bytes()
}

/** Asks for the number of the ruleset's generation; each transaction of anybody makes the next one. */
export function encodeGetGeneration(sequence: number): Uint8Array {
  const out = new MessageWriter(20)
  out.closeMessage(out.openMessage((subsystem << 8) | 16, request, sequence, 0, 0))
  return out.bytes()
}

/** NFTA_GEN_ID */
export function readGeneration(body: Buffer): number | undefined {
  return readAttributes(body.subarray(4)).get(1)?.readUInt32BE()
}

export type FoundElement = { key: Buffer; expiresMs: number | undefined }

/** The elements in the body of an answer or notification. */
export function readElements(body: Buffer): {
  table: string
  set: string
  elements: FoundElement[]
} {
  const parts = readAttributes(body.subarray(4))
  const elements = parts.get(list.elements) ?? Buffer.alloc(0)
  return {
    table: readText(parts.get(list.table)),
    set: readText(parts.get(list.set)),
    elements: [...eachAttribute(elements)].map(([, value]) => readElement(value)),
  }
}

export function readText(value: Buffer | undefined): string {
  return value?.toString('latin1').replace(/\0.*$/s, '') ?? ''
}

/** The first address behind the network, undefined when it reaches to the very top. */
export function addressBehind({ bytes, prefix }: Address): Uint8Array | undefined {
  const behind = Uint8Array.from(bytes)
  let carry = prefix === 0 ? 0 : 1 << ((8 - (prefix & 7)) & 7)
  for (let index = Math.ceil(prefix / 8) - 1; index >= 0; index--) {
    const sum = (behind[index] ?? 0) + carry
    behind[index] = sum & 0xff
    if (sum < 256) return behind
    carry = 1
  }
  return undefined
}

/** The last address in the network. */
export function lastAddress({ bytes, prefix }: Address): Uint8Array {
  return bytes.map((byte, index) => {
    const free = Math.min(Math.max((index + 1) * 8 - prefix, 0), 8)
    return byte | (2 ** free - 1)
  })
}

function readElement(bytes: Buffer): FoundElement {
  const parts = readAttributes(bytes)
  const expiration = parts.get(elementPart.expiration)
  const key = readAttributes(parts.get(elementPart.key) ?? Buffer.alloc(0)).get(one)
  return {
    key: key ?? Buffer.alloc(0),
    expiresMs: expiration === undefined ? undefined : Number(expiration.readBigUInt64BE()),
  }
}

function piecesOf(step: Step): Piece[] {
  const { set } = step
  if (step.do === 'flush')
    return [{ set, type: elementMessage.delete, flags: request, timed: false }]
  const timed = step.do === 'add'
  const most = Math.floor(elementsLimit / elementSize(set))
  const flags = timed ? request | create : request
  const pieces: Piece[] = []
  for (let from = 0; from < step.elements.length; from += most) {
    const elements = step.elements.slice(from, from + most)
    pieces.push({ set, type: elementMessage[step.do], flags, timed, elements })
  }
  return pieces
}

/** At most, with its end when it is an interval. */
function elementSize(set: AnySet): number {
  const { family, prefix } = setSpec(set)
  const key = 8 + (family === 4 ? 4 : 16)
  return prefix === undefined ? 4 + key + 12 + (4 + key + 8) : 4 + key + 12
}

function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce(
    (sum, { set, elements }) => sum + 96 + (elements?.length ?? 0) * elementSize(set),
    64,
  )
}

function bracket(out: MessageWriter, type: number, sequence: number): void {
  out.closeMessage(out.openMessage(type, request, sequence, 0, subsystem))
}

function elementsMessage(out: MessageWriter, table: string, piece: Piece, sequence: number): void {
  const type = (subsystem << 8) | piece.type
  const start = out.openMessage(type, piece.flags, sequence, inet, 0)
  out.text(list.table, table)
  out.text(list.set, piece.set)
  if (piece.elements) writeElements(out, piece.set, piece.elements, piece.timed)
  out.closeMessage(start)
}

function writeElements(
  out: MessageWriter,
  set: AnySet,
  elements: readonly Element[],
  timed: boolean,
): void {
  const intervals = setSpec(set).prefix === undefined
  const start = out.open(list.elements | nested)
  for (const { address, timeoutMs } of elements) {
    writeElement(out, address.bytes, timed ? timeoutMs : undefined, false)
    const behind = intervals ? addressBehind(address) : undefined
    if (behind) writeElement(out, behind, undefined, true)
  }
  out.close(start)
}

function writeElement(
  out: MessageWriter,
  key: Uint8Array,
  timeoutMs: number | undefined,
  end: boolean,
): void {
  const start = out.open(one | nested)
  const outer = out.open(elementPart.key | nested)
  const inner = out.open(one)
  out.raw(key)
  out.close(inner)
  out.close(outer)
  if (end) {
    const flags = out.open(elementPart.flags)
    out.bigEndian32(intervalEnd)
    out.close(flags)
  }
  if (timeoutMs !== undefined) {
    const timeout = out.open(elementPart.timeout)
    out.bigEndian64(kernelTime(timeoutMs))
    out.close(timeout)
  }
  out.close(start)
}
