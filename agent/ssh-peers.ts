/**
 * Where those come from who are logged in by SSH, read from sshd's own processes: for systems that keep no list of
 * sessions. A connection alone proves nothing, since whoever guesses passwords has one too.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Processes that are looked at, on a machine with very many. */
const mostProcesses = 20_000

/** `processes` is /proc. What cannot be looked into (it needs root without limits) protects nothing. */
export function sshPeers(processes: string): string[] {
  const sessions = pids(processes).filter((pid) => isSession(processes, pid))
  if (sessions.length === 0) return []
  const inodes = new Set(sessions.flatMap((pid) => sockets(processes, pid)))
  return ['tcp', 'tcp6'].flatMap((table) =>
    readText(join(processes, 'net', table))
      .split('\n')
      .flatMap((line) => peerIn(line, inodes)),
  )
}

/**
 * sshd renames the process of a session to `sshd: user@pts/0` when its user has proved to be that. Whoever calls himself
 * so is no child of an sshd of root.
 */
function isSession(processes: string, pid: string): boolean {
  const title = readText(join(processes, pid, 'cmdline'))
    .replaceAll('\0', ' ')
    .trim()
  if (!/^sshd(-session)?: \S+@\S+$/.test(title)) return false
  const status = readText(join(processes, pid, 'status'))
  const parent = /^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? ''
  const above = readText(join(processes, parent, 'status'))
  return /^Uid:\s*0\s+0\s/m.test(above) && /^Name:\s*sshd(-session)?$/m.test(above)
}

function sockets(processes: string, pid: string): string[] {
  const folder = join(processes, pid, 'fd')
  return names(folder).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(link(join(folder, fd)))?.[1] ?? [])
}

/** `sl local_address rem_address st … inode`; 01 is an established connection. */
function peerIn(line: string, inodes: ReadonlySet<string>): string[] {
  const [, , peer = '', state, , , , , , inode = ''] = line.trim().split(/\s+/)
  if (state !== '01' || !inodes.has(inode)) return []
  return [readWords(peer.split(':')[0] ?? '')]
}

/** Words of four bytes, each in the order of this machine, which is little-endian wherever Node runs. */
function readWords(hex: string): string {
  const words = hex.match(/.{8}/g) ?? []
  const bytes = Buffer.concat(words.map((word) => Buffer.from(word, 'hex').reverse()))
  return bytes.length === 4
    ? bytes.join('.')
    : (bytes.toString('hex').match(/.{4}/g)?.join(':') ?? '')
}

function pids(processes: string): string[] {
  return names(processes)
    .filter((name) => /^\d+$/.test(name))
    .slice(0, mostProcesses)
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
