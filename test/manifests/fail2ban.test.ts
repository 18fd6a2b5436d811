/**
 * fail2ban itself, from Debian's package, in a network namespace of its own, with our action and a decision service behind
 * it.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { listen } from '../listening.ts'
import { ownNamespace } from '../namespace.ts'
import { openTestService, type TestService } from '../service.ts'

const folder = new URL('../../manifests/fail2ban/', import.meta.url)

const kernel = await ownNamespace(import.meta.url)
const skip = kernel.skip || missing()

function missing(): string | false {
  const found = spawnSync('fail2ban-server', ['--version'], { encoding: 'utf8' })
  if (!found.error && process.getuid?.() === 0) return false
  const why = found.error ? 'fail2ban is not installed' : 'fail2ban needs root'
  if (process.env.CI) throw new Error(why)
  return why
}

type World = {
  service: TestService
  home: string
  /** What sshd would have written. */
  log(attacker: string, times?: number): void
  client(...words: string[]): string
  startServer(): Promise<void>
  stopServer(): Promise<void>
  decisions(): Promise<{ target?: string | null; state: string; note?: string | null }[]>
  spool(): string[]
  ban(...words: string[]): { code: number | null; said: string }
  /** Numbers that the script begins with: its hours are too long to wait for. */
  adjust(numbers: Record<string, number>): void
}

async function world(t: TestContext, more: Record<string, string> = {}): Promise<World> {
  const service = await openTestService({ connectors: ['fail2ban'] })
  service.clock.now = Date.now()
  const server = await listen(service)
  const home = mkdtempSync(join(tmpdir(), 'cordon-fail2ban-'))
  const token = await service.token(['ingest', 'respond'])
  writeFileSync(join(home, 'token'), `${token}\n`, { mode: 0o600 })
  const configure = (url: string) =>
    writeFileSync(
      join(home, 'cordon.conf'),
      Object.entries({
        ...{ url, token_file: join(home, 'token'), mode: 'order', spool: join(home, 'spool') },
        ...more,
      })
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
  configure(`http://127.0.0.1:${server.port}`)
  layOut(home)
  const environment = { ...process.env, CORDON_FAIL2BAN_CONF: join(home, 'cordon.conf') }
  const program = join(home, 'cordon-ban')
  let running: ChildProcess | undefined

  const client = (...words: string[]) =>
    execFileSync('fail2ban-client', ['-c', join(home, 'etc'), ...paths(home), ...words], {
      encoding: 'utf8',
    })
  const stopServer = async () => {
    if (!running) return
    const ended = new Promise((done) => running?.once('exit', done))
    running.kill('SIGTERM')
    await ended
    running = undefined
  }
  t.after(async () => {
    await stopServer()
    await until('the delivery ends', () => !busy(program))
    await server.close()
    await service.close()
    rmSync(home, { recursive: true, force: true })
  })
  return {
    service,
    home,
    client,
    stopServer,
    startServer: async () => {
      running = spawn('fail2ban-server', ['-f', '-c', join(home, 'etc'), ...paths(home), 'start'], {
        env: environment,
        stdio: 'ignore',
      })
      // It answers a ping before it has begun with its jails.
      const jail = ['status', 'cordon-test']
      const status = () => spawnSync('fail2ban-client', [...paths(home), ...jail]).status
      await until('the jail is at work', () => status() === 0)
    },
    log: (attacker, times = 3) => {
      const lines = Array.from(
        { length: times },
        () => `${stamp()} login failed from ${attacker}\n`,
      )
      appendFileSync(join(home, 'auth.log'), lines.join(''))
    },
    decisions: async () => (await service.ask('GET', '/v1/decisions')).body.decisions ?? [],
    spool: () =>
      existsSync(join(home, 'spool'))
        ? readdirSync(join(home, 'spool')).filter((name) => name.endsWith('.order'))
        : [],
    adjust: (numbers) => {
      for (const [key, value] of Object.entries(numbers)) {
        const [script, line] = [readFileSync(program, 'utf8'), new RegExp(`^${key}=\\d+`, 'm')]
        assert.match(script, line)
        writeFileSync(program, script.replace(line, `${key}=${value}`))
      }
    },
    ban: (...words) => {
      const done = spawnSync(program, words, { env: environment, encoding: 'utf8' })
      return { code: done.status, said: done.stdout + done.stderr }
    },
  }
}

function busy(program: string): boolean {
  const found = spawnSync('pgrep', ['-f', `${program} deliver`], { encoding: 'utf8' })
  return found.stdout.trim() !== ''
}

function paths(home: string): string[] {
  return ['-s', join(home, 'sock'), '-p', join(home, 'pid')]
}

/** Debian's own files with ours beside them, as the manifest puts it; the jail watches a log of this test. */
function layOut(home: string): void {
  cpSync('/etc/fail2ban', join(home, 'etc'), { recursive: true })
  rmSync(join(home, 'etc/jail.d'), { recursive: true, force: true })
  mkdirSync(join(home, 'etc/jail.d'))
  const action = readFileSync(new URL('cordon.conf', folder), 'utf8')
  const program = join(home, 'cordon-ban')
  writeFileSync(
    join(home, 'etc/action.d/cordon.conf'),
    action.replace('/usr/local/lib/cordon/cordon-ban', program),
  )
  cpSync(new URL('cordon-ban', folder), program)
  writeFileSync(
    join(home, 'etc/filter.d/cordon-test.conf'),
    '[Definition]\nfailregex = ^\\s*login failed from <ADDR>$\n',
  )
  writeFileSync(join(home, 'auth.log'), '')
  writeFileSync(
    join(home, 'etc/jail.local'),
    [
      '[DEFAULT]',
      ...['banaction = cordon', 'backend = polling', 'ignoreself = false'],
      '[cordon-test]',
      ...['enabled = true', 'filter = cordon-test', `logpath = ${join(home, 'auth.log')}`],
      ...['maxretry = 3', 'findtime = 600', 'bantime = 600', ''],
    ].join('\n'),
  )
  writeFileSync(
    join(home, 'etc/fail2ban.local'),
    [
      '[Definition]',
      `logtarget = ${join(home, 'fail2ban.log')}`,
      `dbfile = ${join(home, 'fail2ban.sqlite3')}`,
      '',
    ].join('\n'),
  )
}

/** What a proxy says while the service behind it is away. */
async function unavailable(t: TestContext): Promise<{ url: string; asked(): number }> {
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.writeHead(503).end('away')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, asked: () => asked }
}

function stamp(): string {
  return new Date(Date.now() - new Date().getTimezoneOffset() * 60_000)
    .toISOString()
    .replace('T', ' ')
    .slice(0, 19)
}

/** Fails rather than waits for ever. */
async function until(what: string, holds: () => boolean | Promise<boolean>) {
  for (const late = AbortSignal.timeout(90_000); ; await pause(50)) {
    if (await holds()) return
    assert.ok(!late.aborted, `it did not come about: ${what}`)
  }
}

describe('a jail of fail2ban', { skip }, () => {
  test('bans by Cordon what it sees, for its own time and a minute, and unbans what a person unbans', async (t) => {
    const one = await world(t)
    await one.startServer()
    one.log('203.0.113.7')
    await until('it is blocked', async () => (await one.decisions()).length === 1)
    const [decision] = (await one.service.ask('GET', '/v1/decisions')).body.decisions
    assert.equal(decision?.target, '203.0.113.7')
    const left = Date.parse(decision?.not_after ?? '') - one.service.clock.now
    assert.ok(left > 600_000 && left <= 660_000, `${left} ms`)
    assert.match(decision?.note ?? '', /of fail2ban on \S+: jail cordon-test, 3 failures$/)
    one.client('set', 'cordon-test', 'unbanip', '203.0.113.7')
    await until('it is let go of', async () => (await one.decisions())[0]?.state === 'ended')
    await until('nothing is kept', () => one.spool().length === 0)
  })

  test('bans IPv6 attackers too, and never what Cordon protects', async (t) => {
    const one = await world(t)
    await one.startServer()
    one.client('set', 'cordon-test', 'banip', '2001:db8::7', '10.1.2.3')
    await until('it is blocked', async () => (await one.decisions()).length === 1)
    await until('both were sent', () => one.spool().length === 0)
    const targets = (await one.decisions()).map(({ target }) => target)
    assert.deepEqual(targets, ['2001:db8::7'])
  })

  test('a restart unbans nothing, and what it restores is told again without a second block', async (t) => {
    const one = await world(t)
    await one.startServer()
    one.log('203.0.113.7')
    await until('it is blocked', async () => (await one.decisions()).length === 1)
    await one.stopServer()
    await until('nothing waits', () => one.spool().length === 0)
    assert.deepEqual(
      (await one.decisions()).map(({ state }) => state),
      ['issued'],
    )
    await one.startServer()
    await until('it is banned again', () =>
      one.client('status', 'cordon-test').includes('203.0.113.7'),
    )
    await until('nothing waits', () => one.spool().length === 0)
    assert.deepEqual(
      (await one.decisions()).map(({ state }) => state),
      ['issued'],
    )
  })

  test('what waited when fail2ban was stopped goes out when it starts', async (t) => {
    const one = await world(t)
    mkdirSync(join(one.home, 'spool'))
    const line = { command: 'ban', host: 'web-01', jail: 'sshd', ip: '203.0.113.9', bantime: 600 }
    const now = Math.floor(Date.now() / 1_000)
    writeFileSync(join(one.home, 'spool', `${now}-1-1.order`), `${JSON.stringify(line)}\n`)
    await one.startServer()
    await until('it is blocked', async () => (await one.decisions()).length === 1)
  })

  test('by the mode "alert" the policy decides', async (t) => {
    const one = await world(t, { mode: 'alert' })
    await one.startServer()
    one.log('203.0.113.7')
    await until('it is judged', async () => (await one.decisions()).length === 1)
    const alerts = await one.service.flow.store.read.selectFrom('alerts').selectAll().execute()
    assert.deepEqual(
      alerts.map(({ source, rule, count }) => [source, rule, count]),
      [['fail2ban', 'cordon-test', 3]],
    )
  })
})

describe('cordon-ban', { skip }, () => {
  test('keeps what Cordon cannot be told yet, and brings it in order once it is back, without another ban', async (t) => {
    const away = await unavailable(t)
    const one = await world(t, { url: away.url })
    one.adjust({ hour: 1, longest: 1, slow: 1 })
    const started = performance.now()
    assert.equal(one.ban('ban', 'sshd', '203.0.113.7', '600', '5', '1772334000', '0').code, 0)
    // Nobody answers while this process waits for it, and a request waits fifteen seconds for an answer.
    assert.ok(performance.now() - started < 15_000, 'fail2ban is not held up')
    assert.equal(one.ban('ban', 'sshd', '203.0.113.8', '600', '5', '1772334000', '0').code, 0)
    assert.equal(one.ban('unban', 'sshd', '203.0.113.7').code, 0)
    assert.equal(one.spool().length, 3)
    await until('it was tried for some hours', () => away.asked() > 3)
    assert.equal(one.spool().length, 3)
    const conf = join(one.home, 'cordon.conf')
    const back = await listen(one.service)
    t.after(() => back.close())
    writeFileSync(
      conf,
      readFileSync(conf, 'utf8').replace(away.url, `http://127.0.0.1:${back.port}`),
    )
    await until('nothing waits', () => one.spool().length === 0)
    const states = (await one.decisions()).map(({ target, state }) => `${target} ${state}`)
    assert.deepEqual(states.sort(), ['203.0.113.7 ended', '203.0.113.8 issued'])
  })

  test('a token is read also where no end of a line follows it', async (t) => {
    const one = await world(t)
    const file = join(one.home, 'token')
    writeFileSync(file, readFileSync(file, 'utf8').trim())
    assert.equal(one.ban('ban', 'sshd', '203.0.113.7', '600', '5', '1772334000', '0').code, 0)
    await until('it is blocked', async () => (await one.decisions()).length === 1)
  })

  test('an order that waited is blocked for what is left of its time', async (t) => {
    const one = await world(t)
    mkdirSync(join(one.home, 'spool'))
    const started = performance.now()
    const then = Math.floor(Date.now() / 1_000) - 300
    const line = { command: 'ban', host: 'web-01', jail: 'sshd', ip: '203.0.113.7', bantime: 600 }
    writeFileSync(join(one.home, 'spool', `${then}-1-1.order`), `${JSON.stringify(line)}\n`)
    one.ban('start')
    await until('it is blocked', async () => (await one.decisions()).length === 1)
    const [decision] = (await one.service.ask('GET', '/v1/decisions')).body.decisions
    const left = Date.parse(decision?.not_after ?? '') - one.service.clock.now
    // Ten minutes and one, less the five that it has waited and what this test took; it is counted in whole seconds.
    const took = performance.now() - started + 1_000
    assert.ok(left > 360_000 - took && left <= 360_000, `${left} ms`)
  })

  test('what Cordon can never take is put aside alone, and the rest is brought', async (t) => {
    const one = await world(t)
    mkdirSync(join(one.home, 'spool'))
    const now = Math.floor(Date.now() / 1_000)
    writeFileSync(join(one.home, 'spool', `${now}-1-1.order`), 'no JSON\n')
    assert.equal(one.ban('ban', 'sshd', '203.0.113.8', '600', '5', `${now}`, '0').code, 0)
    await until('it is blocked', async () => (await one.decisions()).length === 1)
    await until('nothing waits', () => one.spool().length === 0)
    assert.equal(readdirSync(join(one.home, 'spool/refused')).length, 1)
  })

  for (const [what, words] of Object.entries({
    'text that is no address': ['ban', 'sshd', '203.0.113.7"}', '600', '1', '1', '0'],
    'a jail with a quote in its name': ['ban', 'a"b', '203.0.113.7', '600', '1', '1', '0'],
    'no words': [],
    'an unknown word': ['block', 'sshd', '203.0.113.7'],
  }))
    test(`${what} is refused with the reason, and nothing is kept`, async (t) => {
      const one = await world(t)
      const done = one.ban(...words)
      assert.equal(done.code, 1)
      assert.match(done.said, /^cordon-ban: /)
      assert.deepEqual(one.spool(), [])
    })

  test('without its settings it says which file it misses', async (t) => {
    const one = await world(t)
    rmSync(join(one.home, 'cordon.conf'))
    const done = one.ban('ban', 'sshd', '203.0.113.7', '600', '1', '1', '0')
    assert.match(done.said, /cannot read .*cordon\.conf/)
    assert.equal(done.code, 1)
  })

  test('no process shows the token', async (t) => {
    const one = await world(t)
    const script = readFileSync(new URL('cordon-ban', folder), 'utf8')
    assert.match(script, /-K -/)
    assert.doesNotMatch(script, /-H .*Authorization/)
    assert.equal(one.ban('ban', 'sshd', '203.0.113.7', '600', '1', '1', '0').code, 0)
    await until('it is blocked', async () => (await one.decisions()).length === 1)
  })
})
