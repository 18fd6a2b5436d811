/** Which side of a Suricata event is hostile, and which is ours: an event's source is not always its attacker. */
import type { Address } from '#contract/address.ts'
import { contains } from '#contract/address.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'
import { numberAt, textAt, textsAt } from '../read-path.ts'

export type Sides = { attacker?: Address | undefined; victim?: Address | undefined; port?: number }
type Side = { address: Address | undefined; port: number | undefined }
export type DirectionSettings = { home: readonly Address[]; trustXff: boolean }

// Classes in which the far side is a hostile server that our host talks to. In every other class an
// outbound event says that our host did something, and the far side may be its innocent victim.
const hostileServer = new Set([
  'a network trojan was detected',
  'malware command and control activity detected',
  'domain observed used for c2 detected',
  'exploit kit activity detected',
  'successful credential theft detected',
  'targeted malicious activity was detected',
  'crypto currency mining activity detected',
])
// Classes and signatures that are raised by ordinary answers to what our own host asked for.
const ordinary = new Set([
  'not suspicious traffic',
  'unknown traffic',
  'misc activity',
  'potential corporate privacy violation',
  'generic protocol command decode',
  'device retrieving external ip address detected',
])
const ordinarySignature = /^((ET|ETPRO) (POLICY|INFO|HUNTING|DNS|GAMES|CHAT|P2P)|SURICATA) /
const resolverPorts = [53, 853]

/**
 * Order of trust: what the signature states (`target` keyword), its metadata (`hostile`), which side is
 * ours, then the source. Both sides ours, or a thing that our host asked for: no attacker.
 */
export function judgeSides(event: JsonObject, settings: DirectionSettings): Sides {
  const [source, destination] = sidesOf(event, settings.trustXff)
  return (
    stated(event, source, settings.trustXff) ??
    byMetadata(event, source, destination) ??
    byHome(event, source, destination, settings.home)
  )
}

/** The two ends of the packet; a trusted X-Forwarded-For address takes the place of the client. */
function sidesOf(event: JsonObject, trustXff: boolean): [source: Side, destination: Side] {
  const source = side(event, 'src_ip', 'src_port')
  const destination = side(event, 'dest_ip', 'dest_port')
  const xff = trustXff ? pickPeer(textAt(event, 'alert.xff')) : undefined
  if (!xff) return [source, destination]
  const client = { address: xff, port: undefined }
  return toClient(event) ? [source, client] : [client, destination]
}

function stated(event: JsonObject, source: Side, trustXff: boolean): Sides | undefined {
  const attacker = side(event, 'alert.source.ip', 'alert.source.port')
  const target = side(event, 'alert.target.ip', 'alert.target.port')
  if (!attacker.address && !target.address) return undefined
  const proxied = trustXff && attacker.address?.text === textAt(event, 'src_ip')
  return hostile(proxied ? source : attacker, target)
}

function byMetadata(event: JsonObject, source: Side, destination: Side): Sides | undefined {
  const named = textsAt(event, 'alert.metadata.hostile')
  if (named.includes('src_ip') === named.includes('dest_ip')) return undefined
  return named.includes('src_ip') ? hostile(source, destination) : hostile(destination, source)
}

function byHome(
  event: JsonObject,
  source: Side,
  destination: Side,
  home: readonly Address[],
): Sides {
  const sourceOurs = isHome(source.address, home)
  const destinationOurs = isHome(destination.address, home)
  if (sourceOurs && (destinationOurs || !destination.address))
    return hostile(undefined, destinationOurs ? destination : source)
  if (sourceOurs)
    return hostile(isHostileServer(event, destination) ? destination : undefined, source)
  if (!source.address) return hostile(undefined, destinationOurs ? destination : undefined)
  const answer = destinationOurs && toClient(event) && isOrdinary(event, source)
  return hostile(answer ? undefined : source, destination)
}

function isHostileServer(event: JsonObject, far: Side): boolean {
  return (
    hostileServer.has((textAt(event, 'alert.category') ?? '').toLowerCase()) &&
    !ordinarySignature.test(textAt(event, 'alert.signature') ?? '') &&
    !isResolver(event, far)
  )
}

function isOrdinary(event: JsonObject, far: Side): boolean {
  return (
    ordinary.has((textAt(event, 'alert.category') ?? '').toLowerCase()) ||
    ordinarySignature.test(textAt(event, 'alert.signature') ?? '') ||
    isResolver(event, far)
  )
}

/** A name that was looked up may be hostile; the resolver that was asked is not. */
function isResolver(event: JsonObject, far: Side): boolean {
  return textAt(event, 'app_proto') === 'dns' || resolverPorts.includes(far.port ?? 0)
}

function toClient(event: JsonObject): boolean {
  return textAt(event, 'direction') === 'to_client'
}

function isHome(address: Address | undefined, home: readonly Address[]): boolean {
  return address !== undefined && home.some((network) => contains(network, address))
}

function side(event: JsonObject, address: string, port: string): Side {
  return { address: pickPeer(textAt(event, address)), port: numberAt(event, port) }
}

function hostile(attacker: Side | undefined, victim: Side | undefined): Sides {
  return {
    attacker: attacker?.address,
    victim: victim?.address,
    ...(victim?.address && victim.port !== undefined ? { port: victim.port } : {}),
  }
}
