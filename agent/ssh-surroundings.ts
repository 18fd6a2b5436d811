/** What a host that is reached by SSH depends on, read there: never only what this machine depends on. */
import { maybeAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { SshLine } from './kernel/ssh-line.ts'
import { type Files, linuxPlaces, type Places } from './surroundings.ts'

export type RemoteHost = {
  places: Places
  /** Own addresses of the host. */
  interfaces(): string[]
  /** Reads all of it anew. Throws what the line throws; what was read last then stays. */
  refresh(): Promise<void>
}

type Read = { files: ReadonlyMap<string, Buffer>; addresses: string[]; peer: string }

/** Its processes are not looked into: they would have to be asked for one by one. */
const { processes: _, ...places } = linuxPlaces
const { routes4, routes6, resolvers, links = '', utmp, sessions, leases = [] } = places
const wanted = [
  routes4,
  routes6,
  ...resolvers,
  links,
  utmp,
  `${sessions}/*`,
  ...leases.map((one) => `${one}/*`),
]

/** POSIX. Of each file its bytes in hex, since some are binary; a route table of the whole internet is cut. */
const script = `
for f in ${wanted.join(' ')}; do
  [ -f "$f" ] && [ -r "$f" ] && { printf '== %s\\n' "$f"; head -c 500000 "$f" | od -An -v -tx1; }
done
printf '== addresses\\n'
PATH="$PATH:/sbin:/usr/sbin" ip -o addr show | od -An -v -tx1
printf '== end\\n'
exit 0
`

export function remoteHost(line: SshLine): RemoteHost {
  let read: Read = { files: new Map(), addresses: [], peer: '' }
  const files: Files = {
    bytes: (path) => read.files.get(path) ?? Buffer.alloc(0),
    names: (folder) => namesIn(folder, [...read.files.keys()]),
  }
  return {
    places: { ...places, files, actor: () => read.peer },
    interfaces: () => read.addresses,
    refresh: async () => {
      const { peer, own } = await line.open()
      const { code, output, errors } = await line.run(['sh', '-s'], { input: script })
      const files = readFiles(output)
      const addresses = readAddresses(files.get('addresses')?.toString('latin1') ?? '')
      if (code !== 0 || addresses.length === 0) throw unread(line.host, errors)
      read = { files, addresses: [...addresses, own], peer }
    },
  }
}

function readFiles(output: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const parts = output.split(/^== (.*)$/m)
  for (let at = 1; at + 1 < parts.length; at += 2)
    files.set(parts[at] ?? '', Buffer.from((parts[at + 1] ?? '').replaceAll(/\s+/g, ''), 'hex'))
  // A connection that broke off in between tells less than there is.
  return files.has('end') ? files : new Map()
}

/** `2: eth0    inet 192.0.2.10/24 brd …` */
function readAddresses(listing: string): string[] {
  return [...listing.matchAll(/\sinet6? ([0-9a-fA-F:.]+)/g)].flatMap(
    ([, text = '']) => maybeAddress(text)?.text ?? [],
  )
}

function namesIn(folder: string, paths: readonly string[]): string[] {
  return paths
    .filter((path) => path.startsWith(`${folder}/`))
    .map((path) => path.slice(folder.length + 1))
}

function unread(host: string, errors: string): Problem {
  return new Problem('host_unreachable', `${host} does not tell what its own addresses are`, {
    remedy: 'install iproute2 there, and let the user run sh, ip, head and od',
    cause: new Error(errors.slice(0, 500) || 'there was no answer'),
  })
}
