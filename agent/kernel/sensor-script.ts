/** The nft text of the port-scan sensor's table, which only looks: nothing is ever dropped or changed by it. */
import type { Address } from '#contract/address.ts'
import { removeTable } from './ruleset.ts'

export const sensorTable = 'cordon_sensor'

/** Attempts that are remembered for each family; 100 to 150 bytes of the kernel's memory each. */
export const mostAttempts = 65_536

export type SensorScript = {
  windowMs: number
  /** Only what comes in by these is counted; none: by whatever. */
  interfaces: readonly string[]
  /** Also datagrams, for which the kernel has to track connections. */
  udp: boolean
  /** Sources that are not counted. */
  trusted: readonly Address[]
}

/** What answered is asked about anew after this time. */
const openTimeout = '10m'

/**
 * Whatever is there goes and a new table comes, in one transaction. What was dropped in raw is not seen. TCP packets
 * without ACK and RST begin a connection or are of a scan that begins none (FIN, NULL, Xmas). An attempt is noted
 * until something answers, and a place that answered is not noted again: what stays is what was tried in vain.
 */
export function makeSensor(script: SensorScript): string {
  const { interfaces, udp, trusted } = script
  return [
    removeTable(sensorTable).trimEnd(),
    `table inet ${sensorTable} {`,
    ...([4, 6] as const).flatMap((family) => sets(family, script.windowMs)),
    // An entry says that there was no room for an attempt.
    set('missed', 'nf_proto', script.windowMs, 4),
    ...([4, 6] as const).flatMap(noting),
    chain('note', ['meta nfproto ipv4 goto note4', 'meta nfproto ipv6 goto note6']),
    // What goes to many at once, or past this node on a bridge, is nobody's attempt.
    chain('watched', [
      'meta pkttype != host accept',
      ...(interfaces.length === 0
        ? ['iif lo accept', 'goto note']
        : interfaces.map((name) => `iifname "${name}" goto note`)),
    ]),
    chain('attempts', [
      hook('prerouting', -290),
      'meta l4proto tcp tcp flags & (ack | rst) == 0x0 goto watched',
    ]),
    ...(udp ? [chain('datagrams', [hook('prerouting', -190), datagrams])] : []),
    chain('answered', ['meta nfproto ipv4 goto found4', 'meta nfproto ipv6 goto found6']),
    // After addresses were translated back, so that an answer has those of its question.
    chain('answers', [
      hook('postrouting', 150),
      'meta l4proto tcp tcp flags & (syn | ack) == syn | ack goto answered',
      ...(udp ? ['meta l4proto udp ct direction reply goto answered'] : []),
    ]),
    '}',
    ...spareSteps(trusted),
    '',
  ].join('\n')
}

/** Others are not counted from now on. */
export function spareSources(trusted: readonly Address[]): string {
  return [...spareSteps(trusted), ''].join('\n')
}

/** Nobody's answer to a question of ours, and no traceroute, whose datagrams go from port to port by design. */
const datagrams = 'meta l4proto udp ct state new udp dport != 33434-33534 goto watched'

function sets(family: 4 | 6, windowMs: number): string[] {
  const address = `ipv${family}_addr`
  return [
    `set trusted${family} { type ${address}; flags interval; auto-merge; }`,
    set(`seen${family}`, `${address} . ${address} . inet_proto . inet_service`, windowMs),
    set(`open${family}`, `${address} . inet_proto . inet_service`, openTimeout),
  ]
}

function set(name: string, type: string, timeout: number | string, size = mostAttempts): string {
  const time = typeof timeout === 'string' ? timeout : `${timeout}ms`
  return (
    `set ${name} { type ${type}; flags dynamic,timeout; timeout ${time}; ` +
    `gc-interval 5s; size ${size}; }`
  )
}

function noting(family: 4 | 6): string[] {
  const ip = family === 4 ? 'ip' : 'ip6'
  const attempt = `${ip} saddr . ${ip} daddr . meta l4proto . th dport`
  const question = `${ip} daddr . ${ip} saddr . meta l4proto . th sport`
  return [
    chain(`note${family}`, [
      `${ip} saddr @trusted${family} accept`,
      `${ip} daddr . meta l4proto . th dport @open${family} accept`,
      `add @seen${family} { ${attempt} } accept`,
      'add @missed { meta nfproto }',
    ]),
    chain(`found${family}`, [`${question} @seen${family} goto learn${family}`]),
    chain(`learn${family}`, [
      `add @open${family} { ${ip} saddr . meta l4proto . th sport }`,
      `delete @seen${family} { ${question} }`,
    ]),
  ]
}

function spareSteps(trusted: readonly Address[]): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const own = trusted.filter((one) => one.family === family).map(({ text }) => text)
    const where = `inet ${sensorTable} trusted${family}`
    const flush = `flush set ${where}`
    return own.length === 0 ? [flush] : [flush, `add element ${where} { ${own.join(', ')} }`]
  })
}

function hook(name: string, priority: number): string {
  return `type filter hook ${name} priority ${priority}; policy accept;`
}

function chain(name: string, lines: readonly string[]): string {
  return [`chain ${name} {`, ...lines, '}'].join('\n')
}
