/** Who attacked whom in a row, by the names of the Common Information Model. */
import type { Address } from '#contract/address.ts'
import { contains } from '#contract/address.ts'
import type { JsonObject } from '../read-path.ts'
import { rowNumber, rowPeers, rowText } from './row.ts'

export type Sides = {
  attackers: Address[]
  victim?: Address | undefined
  host?: string | undefined
  port?: number | undefined
}

const victimFields = ['dest', 'dest_ip', 'orig_dest', 'dest_nt_host', 'dest_host']

/** Order of trust: what matched a list of threats, then the fields of the source unless our own host began it. */
export function findSides(
  row: JsonObject,
  fields: readonly string[],
  home: readonly Address[],
): Sides {
  const sources = firstPeers(row, fields)
  const destination = firstPeers(row, victimFields)[0]
  const [matched] = rowPeers(row, 'threat_match_value')
  if (matched) {
    const far = /^(orig_)?dest/.test(rowText(row, 'threat_match_field') ?? '')
    const attackers = isIn(matched, home) ? [] : [matched]
    return far ? { attackers, victim: sources[0] } : { attackers, ...victimOf(row, destination) }
  }
  const goesOut = rowText(row, 'direction')?.toLowerCase() === 'outbound'
  const leaves = destination !== undefined && !isIn(destination, home)
  const attackers = sources.filter((source) => !goesOut && !(leaves && isIn(source, home)))
  if (sources.length > 0 && attackers.length === 0) return { attackers, victim: sources[0] }
  return { attackers, ...victimOf(row, destination) }
}

/** `dest` may be a name. */
function victimOf(row: JsonObject, victim: Address | undefined): Omit<Sides, 'attackers'> {
  const names = victimFields.map((field) => rowText(row, field))
  const host = names.find(
    (name) => name !== undefined && /[a-z]/i.test(name) && !name.includes(':'),
  )
  return { victim, host, port: rowNumber(row, 'dest_port') }
}

function firstPeers(row: JsonObject, fields: readonly string[]): Address[] {
  for (const field of fields) {
    const peers = rowPeers(row, field)
    if (peers.length > 0) return peers
  }
  return []
}

function isIn(address: Address, networks: readonly Address[]): boolean {
  return networks.some((network) => contains(network, address))
}
