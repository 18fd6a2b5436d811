/** Who attacked whom in an alert. A field's name does not tell the direction; what nobody states names nobody. */
import type { Address } from '#contract/address.ts'
import { contains } from '#contract/address.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'
import { fieldNumber, fieldObjects, fieldPeers, fieldText, fieldTexts } from './field.ts'

export type Sides = {
  attackers: Address[]
  victim?: Address | undefined
  host?: string | undefined
  port?: number | undefined
}
export type SidesSettings = { home_nets: readonly Address[]; attacker_fields: readonly string[] }

// Also the words of ECS before 1.9. The view is that of the host, or of the network's edge.
const outward = new Set(['outbound', 'egress', 'outgoing'])
// Parts of a field's name that say that it holds our side, or nobody's.
const notHostile =
  /(^|[._])(dst|dest|destination|server|observer|agent|target|victim|local|nat|forwarded|resolved|answers|proxy|gateway)([._]|ip|addr|$)/i
const ofHost = /(^|[._])host([._]|ip|$)/i
const ofSource = /(^|[._])(src|source|client|remote|attacker|peer)/i

/**
 * Order of trust: what an indicator matched, the fields of the source, then what a threshold or a suppression was
 * grouped by, which is all that is left of the events there. Forwarded and translated addresses are never taken.
 */
export function findSides(alert: JsonObject, settings: SidesSettings): Sides {
  const matches = indicatorMatches(alert)
  if (matches.length > 0) return byIndicator(alert, matches, settings)
  const sources = sourcesOf(alert, settings)
  if (sources.length > 0) return bySource(alert, sources, settings)
  const grouped = groupedBy(alert).filter((address) => !isHostItself(alert, address))
  return { attackers: grouped.length === 1 ? grouped : [], ...victimOf(alert) }
}

type Match = { field: string; address: Address | undefined }

function indicatorMatches(alert: JsonObject): Match[] {
  return fieldObjects(alert, 'threat.enrichments')
    .filter((one) => (fieldText(one, 'matched.type') ?? matchedByRule) === matchedByRule)
    .map((one) => ({
      field: fieldText(one, 'matched.field') ?? '',
      address: pickPeer(fieldText(one, 'matched.atomic')),
    }))
}
/** Others are made when a person looks at the alert, and state nothing. */
const matchedByRule = 'indicator_match_rule'

/** A match of a file or a name proves no address hostile. */
function byIndicator(alert: JsonObject, matches: readonly Match[], settings: SidesSettings): Sides {
  const hostile = matches.flatMap(({ address }) =>
    address && !isIn(address, settings.home_nets) ? [address] : [],
  )
  const far = matches.some(({ address, field }) => address && /^(destination|server)\./.test(field))
  const victim = far ? fieldPeers(alert, 'source.ip')[0] : undefined
  const around = far ? { victim, host: hostOf(alert, victim) } : victimOf(alert)
  return { attackers: hostile, ...around }
}

function bySource(alert: JsonObject, sources: Address[], settings: SidesSettings): Sides {
  const destination = destinationOf(alert)
  const attackers = sources.filter((source) => {
    const leaves = destination && !isIn(destination, settings.home_nets)
    if (leaves && isIn(source, settings.home_nets)) return false
    return !isHostItself(alert, source)
  })
  const goesOut = fieldTexts(alert, 'network.direction').some((word) =>
    outward.has(word.toLowerCase()),
  )
  if (attackers.length > 0 && !goesOut) return { attackers, ...victimOf(alert) }
  // Our own host began it, and whom it spoke to may be innocent.
  return { attackers: [], victim: sources[0], host: hostOf(alert, sources[0]) }
}

function sourcesOf(alert: JsonObject, { attacker_fields }: SidesSettings): Address[] {
  for (const field of attacker_fields) {
    const peers = fieldPeers(alert, field)
    if (peers.length > 0) return peers
  }
  return []
}

/** Only one such address says who it was. */
function groupedBy(alert: JsonObject): Address[] {
  const terms = ['threshold_result', 'suppression'].flatMap((kind) =>
    fieldObjects(alert, `kibana.alert.${kind}.terms`),
  )
  const addresses = terms
    .filter((term) => mayBeHostile(fieldText(term, 'field') ?? ''))
    .flatMap((term) => fieldPeers(term, 'value'))
  return [...new Map(addresses.map((address) => [address.text, address])).values()]
}

function mayBeHostile(field: string): boolean {
  return !notHostile.test(field) && (!ofHost.test(field) || ofSource.test(field))
}

function victimOf(alert: JsonObject): Omit<Sides, 'attackers'> {
  const victim = destinationOf(alert)
  if (!victim)
    return { victim: fieldPeers(alert, 'host.ip')[0], host: fieldText(alert, ...hostName) }
  const port = fieldNumber(alert, 'destination.port') ?? fieldNumber(alert, 'server.port')
  return { victim, host: hostOf(alert, victim), port }
}

function destinationOf(alert: JsonObject): Address | undefined {
  return fieldPeers(alert, 'destination.ip')[0] ?? fieldPeers(alert, 'server.ip')[0]
}

/** `host` may be the sensor that looked on. */
function hostOf(alert: JsonObject, victim: Address | undefined): string | undefined {
  return victim && isHostItself(alert, victim) ? fieldText(alert, ...hostName) : undefined
}
const hostName = ['host.name', 'host.hostname']

function isHostItself(alert: JsonObject, address: Address): boolean {
  return fieldPeers(alert, 'host.ip').some(({ text }) => text === address.text)
}

function isIn(address: Address, networks: readonly Address[]): boolean {
  return networks.some((network) => contains(network, address))
}
