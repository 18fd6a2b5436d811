/**
 * Where Wazuh's decoders put the hostile address: one table, first row that fits. A field's name does not tell
 * the direction, so each row says when its source is the attacker. What no row knows names nobody.
 */
import type { Address } from '#contract/address.ts'
import { contains } from '#contract/address.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'
import { firstText, numberAt, textAt, valuesAt } from '../read-path.ts'

/** The `data` of the alert, the decoder's name, and the networks that are ours. */
export type Decoded = { data: JsonObject; decoder: string; home: readonly Address[] }
export type Sides = {
  attackers: Address[]
  victim?: Address | undefined
  port?: number | undefined
}

type Row = {
  what: string
  fits: (decoded: Decoded) => boolean
  /** The first of the paths that names a host; at a path inside an array, all of them. */
  source: readonly string[]
  destination?: readonly string[]
  sourcePort?: string
  destinationPort?: string
  hostile: Hostile
}
type Hostile = (source: Address, destination: Address | undefined, decoded: Decoded) => boolean

/** A login, a request: whoever it came from did it. */
const always: Hostile = () => true
/** The address belongs to the victim, or to nobody in particular. */
const never: Hostile = () => false
/** Not when our own host talks to the outside. */
const unlessOutbound: Hostile = (source, destination, { home }) =>
  !(destination && isIn(source, home) && !isIn(destination, home))
/** A flow: only from the outside to us, and not the answer of a server, which has flow records of its own. */
const inbound: Hostile = (source, destination, { home }) =>
  !isIn(source, home) && (!destination || isIn(destination, home))

const guardDuty = [
  'networkConnectionAction',
  'portProbeAction.portProbeDetails',
  'awsApiCallAction',
  'kubernetesApiCallAction',
  'rdsLoginAttemptAction',
].flatMap((action) =>
  ['ipAddressV4', 'ipAddressV6'].map((ip) => `aws.service.action.${action}.remoteIpDetails.${ip}`),
)

const table: readonly Row[] = [
  {
    what: 'Sysmon 3: `initiated` true means that our host is the source',
    fits: has('win.eventdata.sourceIp', 'win.eventdata.destinationIp'),
    source: ['win.eventdata.sourceIp'],
    destination: ['win.eventdata.destinationIp'],
    destinationPort: 'win.eventdata.destinationPort',
    hostile: (_source, _destination, { data }) =>
      textAt(data, 'win.eventdata.initiated')?.toLowerCase() === 'false',
  },
  {
    what: 'Windows security: `-` and loopback are common, and then a plain srcip may stand beside',
    fits: has('win'),
    source: ['win.eventdata.ipAddress', 'srcip'],
    hostile: always,
  },
  {
    what: 'GuardDuty: resourceRole ACTOR means that our instance did it',
    fits: has('aws.service.action'),
    source: guardDuty,
    hostile: (_source, _destination, { data }) =>
      textAt(data, 'aws.service.resourceRole')?.toUpperCase() === 'TARGET',
  },
  {
    what: 'VPC flow logs',
    fits: has('aws.srcaddr'),
    source: ['aws.srcaddr'],
    destination: ['aws.dstaddr'],
    sourcePort: 'aws.srcport',
    destinationPort: 'aws.dstport',
    hostile: inbound,
  },
  {
    what: 'CloudTrail, S3 access, WAF: `aws.source_ip_address` may be the name of a service',
    fits: has('aws'),
    source: [
      'aws.source_ip_address',
      'aws.sourceIPAddress',
      'aws.remote_ip',
      'aws.httpRequest.clientIp',
    ],
    hostile: always,
  },
  {
    what: 'Security Lake (OCSF): flow records may be written from the side of the server',
    fits: has('src_endpoint'),
    source: ['src_endpoint.ip'],
    destination: ['dst_endpoint.ip'],
    sourcePort: 'src_endpoint.port',
    destinationPort: 'dst_endpoint.port',
    hostile: inbound,
  },
  {
    what: 'Google Cloud flow logs',
    fits: has('gcp.jsonPayload.connection'),
    source: ['gcp.jsonPayload.connection.src_ip'],
    destination: ['gcp.jsonPayload.connection.dest_ip'],
    sourcePort: 'gcp.jsonPayload.connection.src_port',
    destinationPort: 'gcp.jsonPayload.connection.dest_port',
    hostile: inbound,
  },
  {
    what: 'Google Cloud audit',
    fits: has('gcp'),
    source: ['gcp.protoPayload.requestMetadata.callerIp'],
    hostile: always,
  },
  {
    what: 'Microsoft 365: with ports, brackets, or the word sanitized',
    fits: has('office365'),
    source: ['office365.ClientIP', 'office365.ActorIpAddress', 'office365.ClientIPAddress'],
    hostile: always,
  },
  {
    what: 'Microsoft Graph: lastIpAddress belongs to the victim device',
    fits: has('ms-graph'),
    source: [],
    hostile: never,
  },
  {
    what: 'Cloudflare: OriginIP is the protected server',
    fits: has('ClientIP'),
    source: ['ClientIP'],
    hostile: always,
  },
  {
    what: 'VirusTotal enrichment, about an older alert: only with its verdict',
    fits: has('virustotal_ip'),
    source: ['virustotal_ip.source.ip'],
    hostile: (_source, _destination, { data }) =>
      textAt(data, 'virustotal_ip.verdict')?.toLowerCase() === 'malicious',
  },
  {
    what: 'AbuseIPDB enrichment, about an older alert: only when reported',
    fits: has('abuseipdb'),
    source: ['abuseipdb.source.ip', 'abuseipdb.source.srcip'],
    hostile: (_source, _destination, { data }) =>
      (numberAt(data, 'abuseipdb.abuse_confidence_score') ?? 0) > 0,
  },
  {
    what: 'Zeek: who opened the connection is not who attacks',
    fits: has('id.orig_h'),
    source: ['id.orig_h'],
    destination: ['id.resp_h'],
    sourcePort: 'id.orig_p',
    destinationPort: 'id.resp_p',
    hostile: inbound,
  },
  {
    what: 'Palo Alto: nat_source_ip is our own translation',
    fits: has('source_address'),
    source: ['source_address'],
    destination: ['destination_address'],
    destinationPort: 'destination_port',
    hostile: unlessOutbound,
  },
  {
    what: 'FortiGate VPN: tunnelip is the address that we gave out',
    fits: has('remip'),
    source: ['remip'],
    hostile: always,
  },
  {
    what: 'Exim, rejected recipient: the decoder files the remote sender under dstip',
    fits: ({ data, decoder }) => decoder.startsWith('exim') && textAt(data, 'srcip') === undefined,
    source: ['dstip'],
    hostile: always,
  },
  {
    what: 'Cisco ASA: the name depends on the message',
    fits: ({ decoder }) => decoder.startsWith('cisco-asa'),
    source: ['srcip', 'src_ip', 'src', 'address'],
    destination: ['dstip', 'dst_ip', 'dst'],
    destinationPort: 'dst_port',
    hostile: unlessOutbound,
  },
  {
    what: 'everything else that names a source; srcip2 is chosen by the client or is the proxy',
    fits: () => true,
    source: ['srcip', 'src_ip'],
    destination: ['dstip', 'dst_ip', 'dest_ip'],
    destinationPort: 'dstport',
    hostile: unlessOutbound,
  },
]

/** Suricata's events are not here: they carry their own direction. */
export function findSides(decoded: Decoded): Sides {
  const row = table.find(({ fits }) => fits(decoded))
  if (!row) return { attackers: [] }
  const sources = peersAt(decoded.data, row.source)
  const destination = peersAt(decoded.data, row.destination ?? [])[0]
  const attackers = isAnswer(row, decoded)
    ? []
    : sources.filter((source) => row.hostile(source, destination, decoded))
  const ours = sources[0] && attackers.length === 0 && isIn(sources[0], decoded.home)
  if (ours && row.destination && !(destination && isIn(destination, decoded.home)))
    return { attackers, victim: sources[0] }
  const port = numberAt(decoded.data, row.destinationPort ?? '')
  return { attackers, victim: destination, port }
}

/** From a service's port to a high one: the record tells of an answer, and who asked is on the other side. */
function isAnswer({ hostile, sourcePort, destinationPort }: Row, { data }: Decoded): boolean {
  if (hostile !== inbound) return false
  const from = numberAt(data, sourcePort ?? '')
  const to = numberAt(data, destinationPort ?? '')
  return from !== undefined && to !== undefined && from < 1024 && to >= 1024
}

function peersAt(data: JsonObject, paths: readonly string[]): Address[] {
  for (const path of paths) {
    const peers = valuesAt(data, path)
      .map(pickPeer)
      .filter((peer) => peer !== undefined)
    if (peers.length > 0) return peers
  }
  return []
}

function isIn(address: Address, networks: readonly Address[]): boolean {
  return networks.some((network) => contains(network, address))
}

function has(...paths: string[]): Row['fits'] {
  return ({ data }) => paths.some((path) => valuesAt(data, path).length > 0)
}

const userPaths = [
  'dstuser',
  'win.eventdata.targetUserName',
  'win.eventdata.targetUser',
  'win.eventdata.user',
  'office365.UserId',
  'gcp.protoPayload.authenticationInfo.principalEmail',
  'aws.userIdentity.userName',
  'aws.requester',
  'github.actor',
  'srcuser',
  'user',
]

/** The account that was aimed at, else the one that acted; `-` and `(null)` are none. */
export function findUser(data: JsonObject): string | undefined {
  const known = userPaths.map((path) => firstText(data, [path]))
  // Windows' event channel doubles every backslash.
  return known
    .find((user) => user !== undefined && !/^(-|\(null\)|null)$/i.test(user.trim()))
    ?.replaceAll('\\\\', '\\')
}
