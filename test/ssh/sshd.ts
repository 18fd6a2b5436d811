/** A real sshd in the namespace of a host, with keys of its own. Inside ownNamespace, as root. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Host } from '../namespace.ts'

export type Sshd = {
  dir: string
  /** The agent's key; a key that is in nobody's authorized_keys. */
  key: string
  strangerKey: string
  /** The right one, and one with another key for the same host. */
  knownHosts: string
  wrongKnownHosts: string
  start(): Promise<void>
  /** With every connection that it holds. */
  stop(): Promise<void>
  close(): Promise<void>
}

const program = '/usr/sbin/sshd'

/** Why there is none; where CI is set that is an error. */
export function withoutSshd(): string | false {
  if (spawnSync(program, ['-V']).error === undefined) return false
  if (process.env.CI) throw new Error('openssh-server is not installed')
  return 'openssh-server is not installed'
}

/** `path`: where its users find programs. */
export async function sshd(host: Host, path?: string): Promise<Sshd> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-sshd-'))
  const at = (name: string) => join(dir, name)
  for (const name of ['host', 'other', 'key', 'stranger'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)])
  const known = (name: string) => {
    writeFileSync(
      at(`known-${name}`),
      `${host.address4} ${readFileSync(at(`${name}.pub`), 'utf8')}`,
    )
    return at(`known-${name}`)
  }
  writeFileSync(at('authorized'), readFileSync(at('key.pub')))
  writeFileSync(at('config'), configOf(host.address4, at, path))
  let daemon: ChildProcess | undefined
  const stop = async () => {
    const running = daemon
    daemon = undefined
    if (!running?.pid) return
    const ended = once(running, 'exit')
    // Each connection has a process in a session of its own.
    for (const pid of daemons(host))
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // So has this one.
      }
    await ended
  }
  const start = async () => {
    const words = [program, '-D', '-e', '-f', at('config')]
    daemon = spawn('ip', ['netns', 'exec', host.name, ...words], {
      stdio: ['ignore', 'ignore', process.env.CORDON_TEST_LOG ? 'inherit' : 'ignore'],
    })
    await listening(host)
  }
  // Where it puts its unprivileged part. What is made here is taken away again.
  const made = mkdirSync('/run/sshd', { recursive: true })
  await start()
  return {
    ...{ dir, start, stop },
    key: at('key'),
    strangerKey: at('stranger'),
    knownHosts: known('host'),
    wrongKnownHosts: known('other'),
    close: async () => {
      await stop()
      rmSync(dir, { recursive: true, force: true })
      if (made !== undefined) rmSync(made, { recursive: true })
    },
  }
}

function configOf(address: string, at: (name: string) => string, path?: string): string {
  return [
    `ListenAddress ${address}:22`,
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('authorized')}`,
    'PermitRootLogin prohibit-password',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'PrintMotd no',
    ...(path === undefined ? [] : [`SetEnv PATH=${path}`]),
    '',
  ].join('\n')
}

function daemons({ name }: Host): number[] {
  const pids = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).trim().split('\n')
  const isDaemon = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('sshd')
    } catch {
      // It has ended by itself.
      return false
    }
  }
  return pids.filter(isDaemon).map(Number)
}

async function listening(host: Host): Promise<void> {
  for (let tries = 0; tries < 500; tries++, await pause(10))
    if ((await host.run('ss', '-Hltn', 'sport = :22')).includes(host.address4)) return
  throw new Error('sshd does not listen')
}
