/** The port-scan sensor in sets and rules of iptables, which only look: nothing is ever dropped or changed by them. */
import type { Address } from '#contract/address.ts'
import { addLine, holdable } from './ipset-sets.ts'
import type { Family } from './iptables-program.ts'
import { isSensorChain, marksOf, type Saved } from './iptables-script.ts'
import { mostAttempts, type SensorScript } from './sensor-script.ts'

/** Apart from the names of chains and sets that hold blocks: whoever makes those anew leaves these alone. */
const chains = 'CORDON-SENSOR'
const sets = 'cordon-sensor'
export const sensorPlace = 'mangle'

const openSeconds = 600
const hooks = ['PREROUTING', 'POSTROUTING'] as const

export function isSensorSet(name: string): boolean {
  return name.startsWith(sets)
}

export function sensorSet(kind: 'seen' | 'open' | 'trusted' | 'missed', family: Family): string {
  return `${sets}${family}-${kind}`
}

export function secondsOf(windowMs: number): number {
  return Math.max(1, Math.ceil(windowMs / 1_000))
}

/** All its room at once: what packets add cannot make a set grow. */
export function sensorSets(family: Family, windowMs: number): string[] {
  const timeout = secondsOf(windowMs)
  const rest = `family ${family === 4 ? 'inet' : 'inet6'}`
  const size = `hashsize ${mostAttempts} maxelem ${mostAttempts}`
  const name = (kind: Parameters<typeof sensorSet>[0]) => sensorSet(kind, family)
  return [
    `create ${name('seen')} hash:ip,port,ip ${rest} ${size} timeout ${timeout}`,
    `create ${name('open')} hash:ip,port ${rest} ${size} timeout ${openSeconds}`,
    `create ${name('trusted')} hash:net ${rest}`,
    // An entry says that there was no room for an attempt.
    `create ${name('missed')} hash:ip ${rest} maxelem 4 timeout ${timeout}`,
  ]
}

/** Others are not counted from now on; in one step. */
export function spareLines(family: Family, trusted: readonly Address[]): string[] {
  const name = sensorSet('trusted', family)
  const fresh = `${name}-new`
  const own = trusted.filter((one) => one.family === family).flatMap(holdable)
  return [
    `create ${fresh} hash:net family ${family === 4 ? 'inet' : 'inet6'}`,
    `flush ${fresh}`,
    ...own.map(({ text }) => addLine(fresh, text, undefined)),
    `swap ${fresh} ${name}`,
    `destroy ${fresh}`,
  ]
}

/**
 * TCP packets without ACK and RST begin a connection or are of a scan that begins none (FIN, NULL, Xmas). An attempt is
 * noted until something answers, and a place that answered is not noted again. An answer is seen before its addresses
 * are translated back: of what is led elsewhere it is looked at that the connection stands, where connections are tracked.
 */
export function sensorRules(family: Family, script: SensorScript, saved: Saved): string {
  const set = (kind: Parameters<typeof sensorSet>[0]) => sensorSet(kind, family)
  const { interfaces, udp } = script
  const attempt = 'src,dst,dst'
  const question = 'dst,src,src'
  const seen = (of: string) => `-m set --match-set ${set('seen')} ${of}`
  const rules: Record<string, string[]> = {
    IN: [
      `-p tcp -m tcp --tcp-flags ACK,RST NONE -g ${chains}-WATCHED`,
      ...(udp
        ? [
            // No traceroute, whose datagrams go from port to port by design.
            `-p udp -m udp ! --dport 33434:33534 -m conntrack --ctstate NEW -g ${chains}-WATCHED`,
            `-p tcp -m conntrack --ctstate DNAT --ctstatus ASSURED --ctdir ORIGINAL ${seen(attempt)} -g ${chains}-LED`,
          ]
        : []),
    ],
    WATCHED: [
      // What goes to many at once, or past this node on a bridge, is nobody's attempt.
      '-m pkttype ! --pkt-type unicast -j RETURN',
      ...(interfaces.length === 0
        ? ['-i lo -j RETURN', `-g ${chains}-NOTE`]
        : interfaces.map((name) => `-i ${name.replace(/\*$/, '+')} -g ${chains}-NOTE`)),
    ],
    NOTE: [
      `-m set --match-set ${set('trusted')} src -j RETURN`,
      `-m set --match-set ${set('open')} dst,dst -j RETURN`,
      `-j SET --add-set ${set('seen')} ${attempt}`,
      `-m set ! --match-set ${set('seen')} ${attempt} -j SET --add-set ${set('missed')} src`,
    ],
    LED: [
      `-j SET --add-set ${set('open')} dst,dst --exist --timeout ${openSeconds}`,
      `-j SET --del-set ${set('seen')} ${attempt}`,
    ],
    OUT: [
      `-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK ${seen(question)} -g ${chains}-LEARN`,
      ...(udp ? [`-p udp -m conntrack --ctdir REPLY ${seen(question)} -g ${chains}-LEARN`] : []),
    ],
    LEARN: [
      `-j SET --add-set ${set('open')} src,src --exist --timeout ${openSeconds}`,
      `-j SET --del-set ${set('seen')} ${question}`,
    ],
  }
  return [
    `*${sensorPlace}`,
    ...marksOf(saved.get(sensorPlace), hooks).map((name) => `:${name} - [0:0]`),
    ...Object.keys(rules).map((name) => `:${chains}-${name} - [0:0]`),
    `-I PREROUTING -j ${chains}-IN`,
    `-I POSTROUTING -j ${chains}-OUT`,
    ...Object.entries(rules).flatMap(([name, lines]) =>
      lines.map((line) => `-A ${chains}-${name} ${line}`),
    ),
    'COMMIT',
    '',
  ].join('\n')
}

/** What of the table is the sensor's, the same as long as nobody changes it. */
export function sensorPart(saved: Saved): { chains: string[]; rules: string[] } {
  const table = saved.get(sensorPlace)
  return {
    chains: table?.chains.filter(isSensorChain) ?? [],
    rules: table?.rules.filter((rule) => isOwnRule(rule) || isJump(rule)) ?? [],
  }
}

function isOwnRule(rule: string): boolean {
  return rule.startsWith(`-A ${chains}-`)
}

function isJump(rule: string): boolean {
  return !isOwnRule(rule) && / -[jg] CORDON-SENSOR-\w+$/.test(rule)
}
