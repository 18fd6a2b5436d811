/** Netlink messages and attributes being written: opened, filled, and closed with their length. */

/** Little-endian machines only; on others the self-test fails and nft is used. */
export class MessageWriter {
  #buffer: Buffer
  #length = 0

  /** `size` is a guess: it grows. */
  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafeSlow(size)
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  openMessage(
    type: number,
    flags: number,
    sequence: number,
    family: number,
    resource: number,
  ): number {
    const at = this.#claim(20)
    this.#buffer.writeUInt16LE(type, at + 4)
    this.#buffer.writeUInt16LE(flags, at + 6)
    this.#buffer.writeUInt32LE(sequence, at + 8)
    this.#buffer.writeUInt32LE(0, at + 12)
    this.#buffer[at + 16] = family
    this.#buffer[at + 17] = 0
    this.#buffer.writeUInt16BE(resource, at + 18)
    return at
  }

  closeMessage(at: number): void {
    this.#buffer.writeUInt32LE(this.#length - at, at)
  }

  setFlags(at: number, flags: number): void {
    this.#buffer.writeUInt16LE(flags, at + 6)
  }

  open(type: number): number {
    const at = this.#claim(4)
    this.#buffer.writeUInt16LE(type, at + 2)
    return at
  }

  close(at: number): void {
    this.#buffer.writeUInt16LE(this.#length - at, at)
  }

  /** Zero-terminated, padded to four bytes; the length does not count the padding. */
  text(type: number, text: string): void {
    const at = this.open(type)
    this.raw(Buffer.from(`${text}\0`))
    this.close(at)
    const padding = -this.#length & 3
    this.raw(new Uint8Array(padding))
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length)
    for (let i = 0; i < bytes.length; i++) this.#buffer[at + i] = bytes[i] ?? 0
  }

  bigEndian32(value: number): void {
    this.#buffer.writeUInt32BE(value, this.#claim(4))
  }

  bigEndian64(value: number): void {
    const at = this.#claim(8)
    this.#buffer.writeUInt32BE(Math.floor(value / 2 ** 32), at)
    this.#buffer.writeUInt32BE(value % 2 ** 32, at + 4)
  }

  #claim(size: number): number {
    const at = this.#length
    if (at + size > this.#buffer.length) this.#grow(at + size)
    this.#length = at + size
    return at
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(least, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}

export type Attributes = ReadonlyMap<number, Buffer>

/** The attributes in these bytes by type; of a repeated one the last. */
export function readAttributes(bytes: Buffer): Attributes {
  return new Map(eachAttribute(bytes))
}

/** In order, for lists whose members share one type. */
export function* eachAttribute(bytes: Buffer): Generator<[type: number, value: Buffer]> {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) return
    yield [bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length)]
    at += (length + 3) & ~3
  }
}

export type Message = {
  readonly type: number
  readonly sequence: number
  readonly port: number
  /** What follows the netlink header. */
  readonly body: Buffer
}

export function* eachMessage(bytes: Buffer): Generator<Message> {
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    if (length < 16 || at + length > bytes.length) return
    yield {
      type: bytes.readUInt16LE(at + 4),
      sequence: bytes.readUInt32LE(at + 8),
      port: bytes.readUInt32LE(at + 12),
      body: bytes.subarray(at + 16, at + length),
    }
    at += (length + 3) & ~3
  }
}
