/** Whole Ethernet frames to the address of the receiver, as any source would send them. */

/** Both ends of the link have it, and nobody asks for neighbours. */
export const hardwareAddress = '02:00:00:00:00:01'
export const targetAddress = '198.51.100.1'
export const targetPort = 4_000

const hardware = Buffer.from(hardwareAddress.replaceAll(':', ''), 'hex')
const proto = { icmp: 1, udp: 17 } as const

/** A datagram of 46 bytes to nobody in particular. */
export function udpFrame(source: string): Buffer {
  const body = Buffer.alloc(26)
  body.writeUInt16BE(40_000, 0)
  body.writeUInt16BE(targetPort, 2)
  body.writeUInt16BE(body.length, 4)
  return frameOf(source, proto.udp, body)
}

/** A ping. */
export function echoFrame(source: string, id: number): Buffer {
  const body = Buffer.alloc(26)
  body[0] = 8
  body.writeUInt16BE(1, 4)
  body.writeUInt16BE(id, 6)
  body.writeUInt16BE(checksum(body), 2)
  return frameOf(source, proto.icmp, body)
}

function frameOf(source: string, protocol: number, body: Buffer): Buffer {
  const head = Buffer.alloc(20)
  head[0] = 0x45
  head.writeUInt16BE(head.length + body.length, 2)
  head[8] = 64
  head[9] = protocol
  bytesOf(source).copy(head, 12)
  bytesOf(targetAddress).copy(head, 16)
  head.writeUInt16BE(checksum(head), 10)
  return Buffer.concat([hardware, hardware, Buffer.from('0800', 'hex'), head, body])
}

/** RFC 1071, of an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** The answer to the ping of that number. */
export function isEchoReply(frame: Buffer, id: number): boolean {
  return frame[23] === proto.icmp && frame[34] === 0 && frame.readUInt16BE(40) === id
}

function bytesOf(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number))
}
