/**
 * A kernel of one's own for a test file: private network and mount namespaces, and hosts joined to them.
 *
 *     const kernel = await ownNamespace(import.meta.url)   // first, before any test is declared
 *     describe('…', { skip: kernel.skip }, () => {
 *       const attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
 *       const node = await thisNode()
 *       await delivers(attacker, '203.0.113.7', node, node.address4)
 *     })
 *
 * The file runs again inside; what was outside only passes on the outcome. Everything goes away with the
 * process. The test's own process is the node: it has `198.51.100.1` and `2001:db8:ffff::1`, and it forwards
 * between the hosts. A host owns every address of its networks. Nothing may block 198.51.100.0/24 or
 * 2001:db8:ffff::/64: over these it is checked that the path itself is whole.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Endpoint, probePort, startEndpoint } from './endpoint.ts'
import type { Done, Order } from './host.ts'

export { probePort }

const inside = 'CORDON_TEST_NAMESPACE'
const run = promisify(execFile)

/** Where an interface has no need to ask for neighbours: both ends share one hardware address. */
const hardwareAddress = '02:00:00:00:00:01'

const prepareInside = [
  'ip link set lo up',
  'ip addr add 198.51.100.1/32 dev lo',
  'ip -6 addr add 2001:db8:ffff::1/128 dev lo nodad',
  'mkdir -p /run/netns 2>/dev/null && mount -t tmpfs tmpfs /run/netns || { mount -t tmpfs tmpfs /run && mkdir /run/netns; }',
  'echo 1 >/proc/sys/net/ipv4/ip_forward',
  'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
  'nft list ruleset',
].join(' && ')

export type OwnKernel = {
  /** Why there is none. */
  skip: string | false
  /** Why nft cannot load thousands of elements at once: only root may send messages of any size. */
  skipLarge: string | false
}

/**
 * Resolves inside the namespaces only, or with the reason why there are none. Where `CI` or
 * `CORDON_REQUIRE_KERNEL` is set, a reason to skip is an error: nothing is skipped in silence.
 */
export async function ownNamespace(url: string): Promise<OwnKernel> {
  const root = process.env[inside] === undefined && process.getuid?.() === 0
  if (process.env[inside] === 'root') return { skip: false, skipLarge: false }
  if (process.env[inside] === 'user') return { skip: false, skipLarge: notRoot }
  const flags = ['--net', '--mount', ...(root ? [] : ['--user', '--map-root-user'])]
  const trial = spawnSync('unshare', [...flags, 'sh', '-c', prepareInside], { encoding: 'utf8' })
  const required = Boolean(process.env.CI || process.env.CORDON_REQUIRE_KERNEL)
  if (trial.status === 0 && (root || !required))
    return process.exit(await runInside(flags, fileURLToPath(url), root ? 'root' : 'user'))
  const why = trial.status === 0 ? notRoot : (trial.error?.message ?? trial.stderr.trim())
  const reason = `no private kernel namespace with nft: ${why}`
  if (required) throw new Error(reason)
  return { skip: reason, skipLarge: reason }
}

const notRoot = 'this needs root, not only an unprivileged user namespace'

/** The outcome goes straight to whoever reads ours, also in the protocol of the test runner. */
function runInside(flags: readonly string[], file: string, as: 'root' | 'user'): Promise<number> {
  const script = `{ ${prepareInside}; } >/dev/null && exec "$@"`
  const node = [process.execPath, ...process.execArgv, file, ...process.argv.slice(2)]
  const child = spawn('unshare', [...flags, '--', 'sh', '-c', script, 'sh', ...node], {
    stdio: 'inherit',
    env: { ...process.env, [inside]: as },
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)))
}

export type Party = Endpoint & {
  readonly name: string
  /** Addresses that are never blocked, to check the path over. */
  readonly address4: string
  readonly address6: string
}

export type Host = Party & {
  /** Runs a program in the namespace of the host and returns what it prints. */
  run(program: string, ...words: string[]): Promise<string>
}

/** The test's own process as a party. */
export async function thisNode(): Promise<Party> {
  const endpoint = await startEndpoint()
  return { ...endpoint, name: 'node', address4: '198.51.100.1', address6: '2001:db8:ffff::1' }
}

let hosts = 0

/** A new host that owns these networks, reached through this node. `name` has at most 12 letters. */
export async function host(name: string, networks: readonly string[]): Promise<Host> {
  const number = 10 + hosts++
  const address4 = `198.51.100.${number}`
  const address6 = `2001:db8:ffff::${number}`
  const owned = [`${address4}/32`, `${address6}/128`, ...networks]
  await joinHost(name, owned)
  const start = ['ip', 'netns', 'exec', name, process.execPath, hostFile()]
  const child = spawn('taskset', ['--cpu-list', oneCpu(), ...start], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, CORDON_TEST_HOST: '1' },
  })
  const endpoint = await remoteEndpoint(child)
  return {
    ...endpoint,
    name,
    address4,
    address6,
    run: async (program, ...words) =>
      (await run('ip', ['netns', 'exec', name, program, ...words])).stdout,
  }
}

/** What is sent from one CPU is handed on in the order in which it was sent; from two, the later may come first. */
function oneCpu(): string {
  const status = readFileSync('/proc/self/status', 'utf8')
  const [, list = '0'] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? []
  const cpus = list.split(',').flatMap(range)
  return String(cpus[hosts % cpus.length] ?? 0)
}

/** `0-3` or `5`. */
function range(text: string): number[] {
  const [first = 0, last = first] = text.split('-').map(Number)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

let marks = 0

/**
 * Whether a datagram gets from one address to another. Packets keep their order on the way, so once one over
 * the unblocked addresses has come in, the one before it is not still under way.
 */
export async function delivers(
  sender: Party,
  from: string,
  receiver: Party,
  to: string,
): Promise<boolean> {
  const mark = `probe-${++marks}`
  const control = `control-${marks}`
  await sender.send(from, to, mark)
  const [clean, target] = from.includes(':')
    ? [sender.address6, receiver.address6]
    : [sender.address4, receiver.address4]
  await sender.send(clean, target, control)
  if (!(await receiver.arrived(control, 30_000)))
    throw new Error(`the path from ${sender.name} to ${receiver.name} is broken`)
  // The test's own process may send from two cores: a little grace for what was overtaken.
  return receiver.arrived(mark, 30)
}

async function joinHost(name: string, owned: readonly string[]): Promise<void> {
  const link = `v-${name}`
  await run('ip', ['netns', 'add', name])
  await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name])
  const up = (device: string) =>
    `ip link set ${device} address ${hardwareAddress} arp off && ip link set ${device} up`
  await shell([
    up(link),
    ...owned.map((network) => `${ip(network)} route add ${network} dev ${link}`),
  ])
  await shell(
    [
      'ip link set lo up',
      up('eth0'),
      'echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind',
      'echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind',
      ...owned.map((network) => `${ip(network)} route add local ${network} dev lo`),
      'ip route add default dev eth0',
      'ip -6 route add default dev eth0',
    ],
    ['ip', 'netns', 'exec', name],
  )
}

function ip(network: string): string {
  return network.includes(':') ? 'ip -6' : 'ip'
}

async function shell(lines: readonly string[], before: readonly string[] = []): Promise<void> {
  const [program = 'sh', ...words] = [...before, 'sh', '-c', lines.join(' && ')]
  await run(program, words)
}

function hostFile(): string {
  return fileURLToPath(new URL('./host.ts', import.meta.url))
}

async function remoteEndpoint(child: ChildProcess): Promise<Endpoint> {
  const pending = new Map<number, (done: Done) => void>()
  let orders = 0
  const ready = new Promise<Done>((resolve) => pending.set(0, resolve))
  child.on('message', (done: Done) => {
    pending.get(done.id)?.(done)
    pending.delete(done.id)
  })
  const call = async (method: keyof Endpoint, ...words: string[]): Promise<unknown> => {
    const id = ++orders
    const order: Order = { id, method, words }
    const answer = new Promise<Done>((resolve) => pending.set(id, resolve))
    child.channel?.ref()
    child.send(order)
    const { result, error } = await answer
    if (pending.size === 0) child.channel?.unref()
    if (error !== undefined) throw new Error(`${method}: ${error}`)
    return result
  }
  await ready
  // Only while it owes an answer, so that a test that fails before it closes its hosts still ends.
  child.channel?.unref()
  child.unref()
  return {
    send: async (from, to, mark) => Boolean(await call('send', from, to, mark)),
    arrived: async (mark, withinMs) => Boolean(await call('arrived', mark, String(withinMs))),
    flood: async (from, to, mark) => void (await call('flood', from, to, mark)),
    stopFlood: async () => Number(await call('stopFlood')),
    count: async (mark) => Number(await call('count', mark)),
    open: async (from, to) => String(await call('open', from, to)),
    say: async (connection, mark) => void (await call('say', connection, mark)),
    close: async () => {
      child.disconnect()
    },
  }
}
