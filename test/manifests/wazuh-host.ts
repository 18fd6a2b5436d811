/** A machine with Wazuh's folders on which the scripts run as execd and integratord run them. */
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

export const folder = new URL('../../manifests/wazuh/', import.meta.url)

export type Ran = { code: number | null; signal: string | null; said: string }
export type Host = {
  home: string
  /** Settings of cordon.conf by name. */
  configure(settings: Record<string, string>): void
  start(program: string, args?: readonly string[]): ChildProcessWithoutNullStreams
  /** As execd does for an add: the line, what the script says, the answer (none closes the input), the end. */
  add(line: string | Buffer, answer?: string): Promise<Ran>
  /** As execd does for a delete. */
  give(line: string | Buffer): Promise<Ran>
  log(name?: string): string
  waiting(program?: string): string[]
  /** Until nothing waits, or this is in the log. */
  delivered(program?: string): Promise<void>
  logged(text: string, name?: string): Promise<void>
  loggedTimes(text: string, times: number): Promise<void>
  /** Numbers that a script begins with: its hours are too long to wait for. */
  adjust(script: keyof typeof places, numbers: Record<string, number>): void
  close(): void
}

export const block = 'cordon-block'
export const conf = '/etc/cordon/wazuh.conf'
const places = {
  'cordon-block': 'active-response/bin/cordon-block',
  'cordon-deliver': 'active-response/bin/cordon-deliver',
  'custom-cordon': 'integrations/custom-cordon',
}

/** The settings stand in a folder of its own, since the scripts look for them below /etc. */
export function openHost(url: string, token: string, arConf = ''): Host {
  const home = mkdtempSync(join(tmpdir(), 'cordon-wazuh-'))
  for (const name of ['active-response/bin', 'integrations', 'logs', 'queue', 'etc/shared'])
    mkdirSync(join(home, name), { recursive: true })
  for (const [name, place] of Object.entries(places)) {
    const text = readFileSync(new URL(name, folder), 'utf8')
    assert.ok(text.includes(`conf=${conf}\n`))
    writeFileSync(join(home, place), text.replace(`conf=${conf}`, `conf=${home}/conf`))
    chmodSync(join(home, place), 0o750)
  }
  writeFileSync(join(home, 'token'), `${token}\n`)
  writeFileSync(join(home, 'etc/shared/ar.conf'), arConf)
  const configure = (more: Record<string, string>) => {
    const settings = { url, token_file: join(home, 'token'), ...more }
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(join(home, 'conf'), lines.join(''))
  }
  configure({})
  const start = (program: string, args: readonly string[] = []) =>
    spawn(program, args, { cwd: home, env: {}, argv0: program })
  const give = async (line: string | Buffer) => {
    const child = start(places[block])
    child.stdin.on('error', () => {})
    child.stdin.end(Buffer.concat([Buffer.from(line), Buffer.from('\n')]))
    return ended(child)
  }
  const spool = (program: string) => join(home, program === block ? 'queue' : 'logs', program)
  const waiting = (program = block) =>
    existsSync(spool(program))
      ? readdirSync(spool(program)).filter((name) => /\.(order|part)$/.test(name))
      : []
  const log = (name = 'active-responses') => {
    const path = join(home, 'logs', `${name}.log`)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
  return {
    home,
    configure,
    start,
    give,
    add: async (
      line,
      answer = '{"version":1,"origin":{},"command":"continue","parameters":{}}',
    ) => {
      const child = start(places[block])
      child.stdin.on('error', () => {})
      child.stdin.write(Buffer.concat([Buffer.from(line), Buffer.from('\n')]))
      child.stdout.once('data', () => child.stdin.end(`${answer}\n`))
      return ended(child)
    },
    log,
    waiting,
    delivered: (program) =>
      until(
        () => waiting(program).length === 0,
        () => log(),
      ),
    loggedTimes: (text, times) =>
      until(
        () => log().split(text).length > times,
        () => log(),
      ),
    adjust: (script, numbers) => {
      const path = join(home, places[script])
      const text = Object.entries(numbers).reduce(
        (all, [key, value]) => {
          assert.match(all, new RegExp(`^${key}=\\d+ `, 'm'))
          return all.replace(new RegExp(`^${key}=\\d+`, 'm'), `${key}=${value}`)
        },
        readFileSync(path, 'utf8'),
      )
      writeFileSync(path, text)
    },
    logged: (text, name) =>
      until(
        () => log(name).includes(text),
        () => log(name),
      ),
    close: () => rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  }
}

/** As execd writes it. */
export function orderLine(command: string, address: string, more: object = {}): string {
  const rule = { level: 10, description: 'sshd: brute force', id: '5763', groups: ['sshd'] }
  return JSON.stringify({
    version: 1,
    origin: { name: 'node01', module: 'wazuh-execd' },
    command,
    parameters: {
      extra_args: [],
      alert: { rule, agent: { id: '002', name: 'bastion' }, data: { srcip: address }, ...more },
      program: 'active-response/bin/cordon-block',
    },
  })
}

/** What it said on standard output, which execd reads until the end of the first line. */
export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ran> {
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString('latin1')
  })
  child.stderr.resume()
  const [code, signal] = await new Promise<[number | null, string | null]>((done, failed) => {
    child.once('error', failed)
    child.once('close', (code, signal) => done([code, signal]))
  })
  return { code, signal, said }
}

export function keysOf(said: string): string[] {
  assert.match(said, /^[^\n]+\n$/, 'one line, and nothing else')
  const message = JSON.parse(said)
  assert.deepEqual(message, {
    version: 1,
    origin: { name: block, module: 'active-response' },
    command: 'check_keys',
    parameters: { keys: message.parameters.keys },
  })
  return message.parameters.keys
}

async function until(met: () => boolean, seen: () => string): Promise<void> {
  const late = AbortSignal.timeout(90_000)
  while (!met()) {
    assert.ok(!late.aborted, `did not come about; the log says:\n${seen()}`)
    await pause(10)
  }
}
