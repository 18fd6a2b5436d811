/** The agent's commands, as the root command calls them: enrol, run, check, status, clear. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { printDuration } from '#contract/duration.ts'
import type { PostureReceipt } from '#contract/posture.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { FeedReceipt } from '#contract/receipt.ts'
import type { Environment } from '#contract/settings.ts'
import { printTime } from '#contract/time.ts'
import { type AgentOn, runAgent } from './agent.ts'
import type { Cleared } from './clear.ts'
import type { LocalClock } from './clock.ts'
import { connect } from './connect.ts'
import { enrol } from './enrol.ts'
import { chooseFirewall } from './kernel/choose.ts'
import { freeingSockets } from './kernel/free-sockets.ts'
import { choosePostureTable } from './kernel/posture-table.ts'
import { chooseSensorTable } from './kernel/sensor-table.ts'
import { type AgentSettings, readAgentSettings } from './settings.ts'
import { readAgentSection } from './settings-file.ts'
import { type AgentStatus, askStatus } from './status.ts'
import { linuxPlaces } from './surroundings.ts'

export type Io = {
  out(text: string): void
  err(text: string): void
  environment: Environment
  /** Where a person can be asked. */
  screen?: { err: boolean }
  stdin?(): AsyncIterable<Uint8Array>
}

/** 0 done, 1 failed, 2 asked wrongly, 3 the answer is no. */
export type Command = (args: string[], io: Io) => Promise<number>

type Asked = {
  settings: AgentSettings
  json: boolean
  words: string[]
  name: string | undefined
  flags: { dryRun: boolean; forget: boolean; yes: boolean }
}

export const commands: Record<'enrol' | 'run' | 'check' | 'status' | 'clear', Command> = {
  enrol: command(async ({ settings, json, words, name }, io) => {
    const [token] = words
    if (token === undefined) throw usage('cordon agent enrol <token> [--name <node>]')
    const called = name ?? hostname().toLowerCase()
    const { node, url, groups } = await enrol(token, called, settings.state_dir, Date.now())
    io.out(
      json ? `${JSON.stringify({ node, url, groups })}\n` : `enrolled as ${node} with ${url}\n`,
    )
    return 0
  }),

  run: command(async ({ settings }, io) => {
    const agent = await runAgent(settings, await machine(settings, io))
    const { enforcing, backend, fallback, claims } = agent.status()
    const how = enforcing
      ? `enforces, by ${backend}`
      : `${backend}: touches nothing, and says what it would do`
    const why = fallback ? ` (${fallback})` : ''
    io.err(line(`${how}${why}; ${claims} decisions remembered`))
    await stopSignal()
    await agent.stop()
    return 0
  }),

  check: command(async ({ settings, json }, io) => {
    const { check } = await import('./check.ts')
    const result = await check(settings, await machine(settings, io))
    io.out(json ? `${JSON.stringify(result)}\n` : result.lines.map((text) => `${text}\n`).join(''))
    return result.good ? 0 : 3
  }),

  status: command(async ({ settings, json }, io) => {
    const status = await askStatus(settings.state_dir)
    io.out(json ? `${JSON.stringify(status)}\n` : printStatus(status))
    return status.enforcing && status.connected && status.problems.length === 0 ? 0 : 3
  }),

  clear: command(clearing),
}

async function clearing({ settings, json, flags }: Asked, io: Io): Promise<number> {
  const { clear } = await import('./clear.ts')
  const { tracesOf } = await import('./kernel/traces.ts')
  const { programsOf } = await import('./ssh-host.ts')
  const { dryRun, forget, yes } = flags
  const { programs, close } = programsOf(settings, () => performance.now())
  try {
    const cleared = await clear({
      ...{ folder: settings.state_dir, dryRun, forget },
      traces: async () => tracesOf(await programs()),
      agrees: async (question) => yes || agrees(question, io),
    })
    io.out(json ? `${JSON.stringify(cleared)}\n` : printCleared(cleared, dryRun, settings.ssh))
    if (cleared.declined)
      io.err('hint: the state folder was kept; add --yes to remove what it holds\n')
    return cleared.declined ? 3 : 0
  } finally {
    close()
  }
}

/** Names the host that is reached by SSH: without its settings it would be this machine. */
function printCleared(
  { removed, left, forgotten }: Cleared,
  dryRun: boolean,
  ssh?: string,
): string {
  const [out, file] = dryRun ? ['would take out', 'would remove'] : ['taken out', 'removed']
  if (removed.length + forgotten.length === 0)
    return `there is nothing of Cordon ${ssh === undefined ? 'here' : `on ${ssh}`}\n`
  const of = ssh === undefined ? '' : ` of ${ssh}`
  return [
    ...removed.map((what) => `${out}${of}: ${printable(what, 2_000)}\n`),
    ...left.map((what) => `left${of}: ${printable(what, 2_000)}\n`),
    ...forgotten.map((name) => `${file}: ${printable(name)}\n`),
  ].join('')
}

/** Only who sees the question can answer it. */
async function agrees(question: string, io: Io): Promise<boolean> {
  if (!io.screen?.err || !io.stdin) return false
  io.err(`${printable(question, 1_000)} [y/N] `)
  let said = ''
  for await (const piece of io.stdin()) {
    said += Buffer.from(piece).toString()
    if (said.includes('\n')) break
  }
  return /^\s*(y|yes)\s*$/i.test(said.split('\n')[0] ?? '')
}

function command(act: (asked: Asked, io: Io) => Promise<number>): Command {
  return async (args, io) => {
    try {
      return await act(await readAsked(args, io.environment), io)
    } catch (error) {
      const problem = toProblem(error)
      const { message, cause } = problem
      // A cause may say the same, and is said once.
      const texts = new Set(
        cause instanceof Error ? [message, printable(oneLine(cause.message))] : [message],
      )
      const [said = '', why] = texts
      io.err(`error: ${said}${why === undefined ? '' : ` (${why})`}\n`)
      if (problem.remedy) io.err(`hint: ${problem.remedy}\n`)
      return problem.code === 'usage' ? 2 : 1
    }
  }
}

/** Other programs say what is wrong on several lines. */
function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, '; ')
}

async function readAsked(args: string[], environment: Environment): Promise<Asked> {
  const settings = readAgentSettings(environment, await readAgentSection(environment))
  try {
    const options = {
      json: { type: 'boolean' },
      name: { type: 'string' },
      'dry-run': { type: 'boolean' },
      forget: { type: 'boolean' },
      yes: { type: 'boolean' },
    } as const
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const { json = false, name, 'dry-run': dryRun = false, forget = false, yes = false } = values
    return { settings, json, words: positionals, name, flags: { dryRun, forget, yes } }
  } catch (error) {
    throw usage('cordon agent enrol|run|check|status|clear [--json]', error)
  }
}

function usage(right: string, cause?: unknown): Problem {
  return new Problem('usage', 'this is not how the command is used', { remedy: right, cause })
}

/**
 * What an agent stands on when it runs for real: this machine's kernel, files, clocks and network, or a kernel that is
 * reached by SSH.
 */
export async function machine(settings: AgentSettings, io: Io): Promise<AgentOn> {
  const { enforce, backend } = settings
  const print = (script: string) => {
    for (const text of script.trimEnd().split('\n')) io.err(line(`would do: ${text}`))
  }
  const on: AgentOn = {
    version: version(),
    firewall: async () =>
      freeingSockets(await chooseFirewall({ enforce, backend, print, now: Date.now })),
    posture: (firewall) => choosePostureTable(firewall, print),
    sensor: (firewall) => chooseSensorTable(firewall, print),
    connect,
    places: linuxPlaces,
    local,
    monotonic: () => performance.now(),
    random: Math.random,
    nonce: () => randomBytes(16).toString('base64url'),
    say: (text) => io.err(line(text)),
  }
  if (settings.ssh === undefined) return on
  const { throughSsh } = await import('./ssh-host.ts')
  return throughSsh(settings, on, print)
}

function local(): LocalClock {
  const uptime = Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1_000
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return { wall: Date.now(), uptime, boot }
}

function version(): string {
  const read: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : ''
}

function line(text: string): string {
  return `${new Date().toISOString()} agent: ${printable(text, 1_000)}\n`
}

function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  // Unref'd timers and sockets alone would let the process end before it was told to.
  const alive = setInterval(() => {}, 3_600_000)
  const stop = () => {
    clearInterval(alive)
    resolve()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  return promise
}

function printStatus(status: AgentStatus): string {
  const { node, service, backend, claims, elements } = status
  return [
    `node       ${node}`,
    `service    ${service} (${status.connected ? 'connected' : 'not connected'})`,
    `enforcing  ${status.enforcing ? 'yes' : 'no'}, by ${backend}${status.fallback ? ` (${status.fallback})` : ''}`,
    `blocks     ${claims} decisions, ${elements} elements ${backend === 'dry-run' ? 'planned, none in the kernel' : 'in the kernel'}`,
    `scoped     ${status.scoped} of them by direction, interface, protocol, port or rate`,
    `hits       ${printHits(status.hits)}`,
    `clock      ${status.clock_offset_ms} ms off the service's${status.clock_measured ? '' : ' (not measured yet)'}`,
    ...(status.last_healing
      ? [`healed     ${new Date(status.last_healing.at).toISOString()}: ${status.last_healing.why}`]
      : []),
    ...(status.feeds ?? []).map((feed) => `list       ${printFeed(feed, status.now)}`),
    ...(status.postures ?? []).map((one) => `posture    ${printPostureLine(one)}`),
    ...status.problems.map(({ part, message }) => `problem    ${part}: ${printable(message)}`),
    '',
  ].join('\n')
}

function printPostureLine(one: PostureReceipt): string {
  const { audience, version, status, at, in_force, next_change, detail } = one
  const force = in_force === 0 ? 'none in force' : `in force version of ${printTime(in_force)}`
  const next = next_change === undefined ? '' : `, next change ${printTime(next_change)}`
  const more = detail === undefined ? '' : `: ${printable(detail)}`
  return `${audience}: version of ${printTime(version)} ${status} since ${printTime(at)}, ${force}${next}${more}`
}

function printHits(hits: AgentStatus['hits']): string {
  if (hits.packets === 0) return 'nothing was stopped yet by what is in force'
  return `${hits.packets} packets stopped for ${hits.decisions} decisions in force, since the agent started`
}

function printFeed(one: FeedReceipt, now: number): string {
  const { feed, audience, version, status, entries, not_after, at, detail } = one
  const ends =
    not_after > now ? `ends in ${printDuration(not_after - now)} unless refreshed` : 'over'
  const since = `${status} since ${printTime(at)}`
  const more = detail === undefined ? '' : `: ${printable(detail)}`
  return `${feed} (${audience}): ${entries} networks, version of ${printTime(version)}, ${since}, ${ends}${more}`
}
