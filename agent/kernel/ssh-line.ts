/** One connection to a host by the OpenSSH client of this machine, kept open; commands of that host go over it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { type Ended, runProgram } from './program.ts'
import { sshProblem } from './ssh-problem.ts'
import { remoteShell, type Shell } from './ssh-shell.ts'

export type SshTo = {
  /** `user@host` or `user@host:port`; an IPv6 address in brackets when a port follows. */
  host: string
  /** The private key of this agent, and the file with the one key by which the host is known. */
  key: string
  knownHosts: string
  /** Where the socket of the connection goes. */
  folder: string
}

/** What the host said of itself: who we are there, and between which addresses the connection stands, as it sees them. */
export type Greeting = { root: boolean; peer: string; own: string }

/** All but `lost` throw `host_unreachable`, `host_untrusted`, `unauthenticated` when there is no connection. */
export type SshLine = {
  readonly host: string
  open(): Promise<Greeting>
  /** A program of the host, with its input. `privileged`: as root, by sudo where the user is another. */
  run(words: readonly string[], more?: { input?: string; privileged?: boolean }): Promise<Ended>
  /** The same, for as long as it runs: each line that it prints. Returns the way to end it. */
  follow(words: readonly string[], line: (text: string) => void): Promise<() => void>
  /** Calls back whenever the connection breaks off. */
  lost(heed: (problem: Problem) => void): void
  close(): void
}

/** Tells by its end that the agent is gone: the host then ends it too. */
const greeting = `sh -c 'printf "cordon %s %s\\n" "$(id -u)" "$SSH_CONNECTION"; exec cat >/dev/null'`
const openMs = 20_000
/** A shell may read what it is given byte by byte; what is longer than this gets a session of its own. */
const longestInput = 64 * 1024
/** A socket's path may have 108 characters, of which ssh takes 17 for itself while it makes it. */
const longestPath = 90

export function sshLine(to: SshTo, program = 'ssh'): SshLine {
  const { user, name, port } = readHost(to.host)
  const socket = join(to.folder, 'ssh.sock')
  if (socket.length > longestPath)
    throw invalid(`the state folder ${to.folder} has too long a path for a socket in it`)
  const place = ['-S', socket, '-p', port, '-l', user, '--', name]
  const heeding: ((problem: Problem) => void)[] = []
  let opened: Promise<Greeting> | undefined
  let master: ChildProcess | undefined
  let shell: Shell | undefined
  let closed = false

  const open = () => {
    opened ??= connect().catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }

  async function connect(): Promise<Greeting> {
    if (closed) throw new Problem('host_unreachable', 'the connection was closed')
    rmSync(socket, { force: true })
    const child = spawn(program, ['-M', ...options(to), ...place, greeting])
    master = child
    const { promise, resolve, reject } = Promise.withResolvers<Greeting>()
    const errors: Buffer[] = []
    child.stderr.on('data', (piece: Buffer) => {
      if (errors.length < 100) errors.push(piece)
    })
    eachLine(child, (line) => {
      const said = readGreeting(line)
      if (said) resolve(said)
    })
    child.stdin.on('error', () => {})
    const timer = setTimeout(() => child.kill(), openMs)
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      if (master === child) {
        master = undefined
        opened = undefined
      }
      const problem = sshProblem(to, Buffer.concat(errors).toString())
      reject(problem)
      if (!closed) for (const heed of heeding) heed(problem)
    })
    try {
      const said = await promise
      aside(child)
      return said
    } catch (error) {
      throw error instanceof Problem ? error : missing(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Over the socket only: without it, rather nothing than another connection. */
  const through = (words: readonly string[]) => [
    ...['-o', 'ControlMaster=no', '-o', 'ProxyCommand=false'],
    ...[...options(to), ...place],
    words.map(quoted).join(' '),
  ]

  const inShell = async (words: readonly string[], input: string): Promise<Ended> => {
    if (!shell?.open) {
      const child = spawn(program, through(['sh']))
      shell = remoteShell(child)
      aside(child)
    }
    // What is waited for keeps this process running, although the shell does not.
    const waiting = setInterval(() => {}, 60_000)
    try {
      return await shell.run(words.map(quoted).join(' '), input)
    } catch (error) {
      throw sshProblem(to, error instanceof Error ? error.message : '')
    } finally {
      clearInterval(waiting)
    }
  }

  const alone = async (words: readonly string[], input: string): Promise<Ended> => {
    const ended = await runProgram(program, through(words), input)
    // 255 is what ssh says of itself; what ran there says something else.
    if (ended.code === 255 || ended.code === null) throw sshProblem(to, ended.errors)
    return ended
  }

  return {
    host: to.host,
    open,
    async run(words, { input = '', privileged = false } = {}) {
      const { root } = await open()
      const asked = privileged && !root ? ['sudo', '-n', ...words] : words
      const ended = await (input.length > longestInput ? alone : inShell)(asked, input)
      if (privileged) refuse(to, user, words, ended, root)
      return ended
    },
    async follow(words, line) {
      const { root } = await open()
      const child = spawn(program, through(root ? words : ['sudo', '-n', ...words]))
      child.on('error', () => {})
      child.stdin.on('error', () => {})
      child.stderr.resume()
      eachLine(child, line)
      aside(child)
      return () => void child.kill()
    },
    lost: (heed) => void heeding.push(heed),
    close() {
      closed = true
      // The socket of a line that was never opened is another's.
      if (!master) return
      master.kill()
      rmSync(socket, { force: true })
    },
  }
}

/** Nothing of what this user, or this machine, has set for ssh holds here. */
function options({ key, knownHosts }: SshTo): string[] {
  const settings = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    'VerifyHostKeyDNS=no',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `IdentityFile=${key}`,
    'PreferredAuthentications=publickey',
    'ForwardAgent=no',
    'ForwardX11=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'RequestTTY=no',
    'ControlPersist=no',
    'ConnectTimeout=10',
    'ServerAliveInterval=5',
    'ServerAliveCountMax=3',
    'LogLevel=ERROR',
  ]
  return ['-F', 'none', '-e', 'none', ...settings.flatMap((one) => ['-o', one])]
}

/** Throws `setting_invalid`. */
export function readHost(text: string): { user: string; name: string; port: string } {
  const bracketed = /^([^@\s]+)@\[([0-9A-Fa-f:.]+(?:%\w+)?)\](?::(\d{1,5}))?$/.exec(text)
  const plain = bracketed ?? /^([^@\s]+)@([^@\s:[\]]+)(?::(\d{1,5}))?$/.exec(text)
  const [, user, name, port = '22'] = plain ?? []
  // A dash at the beginning would be an option of ssh.
  if (!user || !name || user.startsWith('-') || name.startsWith('-'))
    throw invalid(`"${text.slice(0, 100)}" is no host to reach by SSH`)
  return { user, name, port }
}

function invalid(message: string): Problem {
  return new Problem('setting_invalid', message, {
    remedy: 'write ssh as root@192.0.2.10, root@web-01:2222 or root@[2001:db8::10]:22',
  })
}

function readGreeting(line: string): Greeting | undefined {
  const [, id, peer, own] = /^cordon (\d+) (\S+) \d+ (\S+) \d+$/.exec(line) ?? []
  return id && peer && own ? { root: id === '0', peer, own } : undefined
}

/** For whatever shell the user has there. */
function quoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** It does not keep this process running; without this process it ends by itself. */
function aside(child: ChildProcess): void {
  child.unref()
  for (const pipe of [child.stdin, child.stdout, child.stderr])
    if (pipe instanceof Socket) pipe.unref()
}

function eachLine(child: ChildProcess, heed: (line: string) => void): void {
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
    const lines = (rest + piece).split('\n')
    rest = (lines.pop() ?? '').slice(0, 10_000)
    for (const line of lines) heed(line)
  })
}

function missing(error: unknown): Problem {
  return new Problem('firewall_missing', 'the ssh program cannot be started', {
    remedy: 'install the OpenSSH client (apt install openssh-client, dnf install openssh-clients)',
    cause: error,
  })
}

/** Throws where the program was not even started. */
function refuse(
  to: SshTo,
  user: string,
  words: readonly string[],
  { code, errors }: Ended,
  root: boolean,
): void {
  const isAbsent = root ? code === 127 : /^sudo: \S+: command not found/m.test(errors)
  if (isAbsent) throw absent(to, words, errors)
  if (/^sudo: /m.test(errors) || code === 127) throw noSudo(to, user, words, errors)
}

function absent({ host }: SshTo, words: readonly string[], errors: string): Problem {
  const [name = ''] = words
  const other = /^ip6?tables/.test(name) ? 'iptables' : name
  const needed = name === 'nft' ? 'nftables' : other
  return new Problem('firewall_missing', `${host} has no program ${name}`, {
    remedy: `install the package ${needed} there (apt install ${needed}, dnf install ${needed})`,
    cause: new Error(errors.slice(0, 500)),
  })
}

function noSudo({ host }: SshTo, user: string, words: readonly string[], errors: string): Problem {
  return new Problem('no_privilege', `${user} may not run ${words[0]} as root on ${host}`, {
    remedy: `log in as root, or let sudo take it there: ${user} ALL=(root) NOPASSWD: /usr/sbin/${words[0]}`,
    cause: new Error(errors.slice(0, 500)),
  })
}
