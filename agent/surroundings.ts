/** What a node depends on to be reached and to work, read from the machine. */
import { readdirSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { maybeAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Protected } from './guard.ts'
import { leaseServers } from './leases.ts'
import { sshPeers } from './ssh-peers.ts'

/** The order is that of importance; a repeat keeps its first reason. */
export type Surroundings = readonly Protected[]

/** Whose files they are; what is absent is empty. */
export type Files = { bytes(path: string): Buffer; names(folder: string): string[] }

export type Places = {
  routes4: string
  routes6: string
  resolvers: readonly string[]
  /** Its interfaces, by name; absent where they are not known. */
  links?: string
  sessions: string
  utmp: string
  /** Folders with what a server of addresses gave this machine. */
  leases?: readonly string[]
  /** Absent where nothing is to be asked of the processes. */
  processes?: string
  /** Absent: of this machine. */
  files?: Files
  /** Where the agent comes from that acts for this host. */
  actor?: () => string
}

export const linuxPlaces: Places = {
  routes4: '/proc/net/route',
  routes6: '/proc/net/ipv6_route',
  // The second lists the real servers where the first names only the local stub.
  resolvers: ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'],
  links: '/proc/net/dev',
  sessions: '/run/systemd/sessions',
  utmp: '/run/utmp',
  leases: ['/run/systemd/netif/leases', '/var/lib/dhcp', '/var/lib/NetworkManager'],
  processes: '/proc',
}

/**
 * What is absent on this machine protects nothing; that is no error. Throws `setting_invalid` for a protect file
 * that cannot be read or understood: a protection that silently is not there is worse than no start.
 */
export function readSurroundings(
  places: Places,
  service: readonly string[],
  protectFile: string | undefined,
  interfaces: () => string[] = ownAddresses,
): Surroundings {
  const { files = ofThisMachine, actor } = places
  const text = (path: string) => files.bytes(path).toString('utf8')
  const from = (why: string, texts: readonly string[]) => entries(why, texts)
  return [
    ...from('address of this node', interfaces()).map((one) => ({ ...one, own: true as const })),
    ...from('where the agent of this host reaches it from', actor ? [actor()] : []),
    ...from('address of the Cordon service', service),
    ...from('default gateway', gateways4(text(places.routes4))),
    ...from('default gateway', gateways6(text(places.routes6))),
    ...from(
      'name server',
      places.resolvers.flatMap((path) => nameServers(text(path))),
    ),
    ...from('peer of an authenticated login', sessionPeers(files, places.sessions)),
    ...from('peer of an authenticated login', utmpPeers(files.bytes(places.utmp))),
    ...(places.processes === undefined
      ? []
      : from('peer of an authenticated login', sshPeers(places.processes))),
    ...(places.leases ?? []).flatMap((folder) => leased(files, folder)),
    ...(protectFile === undefined ? [] : protectedBy(protectFile)),
  ]
}

/** As the system writes them: a link-local one may bear its interface. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address))
}

/** Names of the interfaces that are there now; none where that is not known. */
export function linkNames({ links, files = ofThisMachine }: Places): string[] {
  if (links === undefined) return []
  const table = files.bytes(links).toString('utf8')
  return [...table.matchAll(/^\s*(\S+):/gm)].map(([, name = '']) => name)
}

/** `/proc/net/route`: address words are little-endian hex; 0x2 is RTF_GATEWAY. */
export function gateways4(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.split(/\s+/))
    .filter(([, destination, , flags]) => destination === '00000000' && isGateway(flags))
    .map(([, , gateway]) =>
      Buffer.from(gateway ?? '', 'hex')
        .reverse()
        .join('.'),
    )
}

export function gateways6(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => /^0{32}$/.test(row[0] ?? '') && row[1] === '00' && isGateway(row[8]))
    .map((row) => (row[4] ?? '').match(/.{4}/g)?.join(':') ?? '')
}

function isGateway(flags: string | undefined): boolean {
  return (Number.parseInt(flags ?? '0', 16) & 0x2) !== 0
}

function nameServers(text: string): string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server]) => server ?? '')
}

/** One file a session; a login manager's greeter is nobody's login. */
function sessionPeers(files: Files, folder: string): string[] {
  return files
    .names(folder)
    .filter((name) => !name.endsWith('.ref'))
    .map((name) => files.bytes(join(folder, name)).toString('utf8'))
    .filter((session) => !/^CLASS=greeter$/m.test(session))
    .flatMap((session) => /^REMOTE_HOST=(\S+)$/m.exec(session)?.[1] ?? [])
}

const utmpRecord = { size: 384, userProcess: 7, host: 76, hostSize: 256, address: 348 }

function leased(files: Files, folder: string): Protected[] {
  const texts = files
    .names(folder)
    .filter((name) => /lease|^\d+$/.test(name))
    .map((name) => files.bytes(join(folder, name)).toString('utf8'))
  return entries('server that this machine has its addresses from', texts.flatMap(leaseServers))
}

/** glibc's utmp on Linux: USER_PROCESS records only, which stand for logins that succeeded. */
function utmpPeers(file: Buffer): string[] {
  const peers: string[] = []
  for (let at = 0; at + utmpRecord.size <= file.length; at += utmpRecord.size) {
    if (file.readInt16LE(at) !== utmpRecord.userProcess) continue
    const host = file.toString(
      'latin1',
      at + utmpRecord.host,
      at + utmpRecord.host + utmpRecord.hostSize,
    )
    const raw = file.subarray(at + utmpRecord.address, at + utmpRecord.address + 16)
    peers.push(host.replace(/\0.*$/s, ''), rawAddress(raw))
  }
  return peers
}

/** IPv4 stands in the first word with the others zero. */
function rawAddress(raw: Buffer): string {
  if (raw.every((byte) => byte === 0)) return ''
  if (raw.subarray(4).every((byte) => byte === 0)) return raw.subarray(0, 4).join('.')
  return raw.toString('hex').match(/.{4}/g)?.join(':') ?? ''
}

/** Throws `setting_invalid`. */
function protectedBy(path: string): Protected[] {
  return readRequired(path)
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter(Boolean)
    .map((line) => {
      const address = maybeAddress(line)
      if (!address)
        throw new Problem(
          'setting_invalid',
          `protect file ${path}: "${line.slice(0, 60)}" is no address`,
          {
            remedy: 'write one host or network a line; # begins a comment',
          },
        )
      return { address, why: `protect file ${path}` }
    })
}

function readRequired(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Problem('setting_invalid', `cannot read the protect file ${path}`, {
      remedy: 'check the path and that the agent may read it, or unset protect_file',
      cause: error,
    })
  }
}

/** Names and what else is no address (a peer may be logged by name) protect nothing. */
function entries(why: string, texts: readonly string[]): Protected[] {
  return texts.flatMap((one) => {
    const address = maybeAddress(one.replace(/%.*$/, ''))
    return address && !address.bytes.every((byte) => byte === 0) ? [{ address, why }] : []
  })
}

const ofThisMachine: Files = {
  bytes: (path) => {
    try {
      return readFileSync(path)
    } catch {
      return Buffer.alloc(0)
    }
  },
  names: (folder) => {
    try {
      return readdirSync(folder)
    } catch {
      return []
    }
  },
}
