/**
 * The postures of a node as nft text: one table of its own, replaced as a whole in one transaction. Pure.
 *
 * What passes first, whatever was signed: loopback, what belongs to a connection that stands, what this node protects,
 * neighbour discovery and DHCP; and where the service runs, what comes to its port, since no other node could confirm else. Then what belongs to no connection, then countries, then services, then the default. An
 * accept only ends our own judgement: the table stands before the others of the node, and they have their say after it.
 */
import type { Protected } from './guard.ts'
import { defaultLines, restLines, serviceLines, type Way } from './posture-rules.ts'
import {
  families,
  type Named,
  nameSets,
  type PostureScript,
  postureTable,
  printElements,
  printSet,
  protectedOf,
} from './posture-sets.ts'

/** Also where there is no table yet. Taking the networks may throw. */
export function printPosture(script: PostureScript): string {
  const named = nameSets(script)
  return [
    `add table inet ${postureTable}`,
    `delete table inet ${postureTable}`,
    `add table inet ${postureTable} { comment "cordon: standing rules"; }`,
    ...[...named.sets].flatMap(([name, set]) => printSet(name, set)),
    ...chains(script, named).flatMap(printChain),
    '',
  ].join('\n')
}

export function removePosture(): string {
  return `add table inet ${postureTable}\ndelete table inet ${postureTable}\n`
}

/** Only what is protected changed: rates and networks stay as they are. Refused where there is no table. */
export function printProtected(here: readonly Protected[]): string {
  return families
    .flatMap((family) => [
      `flush set inet ${postureTable} protected${family}`,
      ...printElements(`protected${family}`, protectedOf(here, family)),
    ])
    .concat('')
    .join('\n')
}

type Chain = { name: string; hook?: string; rules: string[] }

function printChain({ name, hook, rules }: Chain): string[] {
  const where = `inet ${postureTable} ${name}`
  const type = hook ? ` { type filter hook ${hook} priority -10; policy accept; }` : ''
  return [`add chain ${where}${type}`, ...rules.map((rule) => `add rule ${where} ${rule}`)]
}

function chains(script: PostureScript, named: Named): Chain[] {
  const services = script.postures.flatMap((standing, at) =>
    (['node', 'forwarded'] as const).map((way) => ({
      name: `${way}_${at}`,
      rules: serviceLines(standing, way, script.now, named),
      comment: standing.audience,
      way,
    })),
  )
  const used = services.filter(({ rules }) => rules.length > 0)
  const calls = (way: Way) =>
    used
      .filter((one) => one.way === way)
      .map(({ name, comment }) => `ct state new jump ${name} comment "${comment}"`)
  const judging = (way: Way): Chain => ({
    name: way,
    rules: [...restLines(script, way, named), ...calls(way)],
  })
  const node = judging('node')
  const { servicePort } = script
  const toService =
    servicePort === undefined
      ? []
      : [`meta l4proto 6 ct original proto-dst ${servicePort} accept comment "the Cordon service"`]
  return [
    { name: 'passes', rules: [...always] },
    ...used,
    { ...node, rules: [...node.rules, ...defaultLines(script, named)] },
    judging('forwarded'),
    {
      name: 'input',
      hook: 'input',
      rules: ['iif lo accept', 'jump passes', ...toService, 'jump node'],
    },
    {
      name: 'forward',
      hook: 'forward',
      // What is translated was addressed to this node, as the ports are that it publishes for containers.
      rules: [
        'jump passes',
        ...toService.map((rule) => `ct status dnat ${rule}`),
        'ct status dnat jump node',
        'ct status dnat accept',
        'jump forwarded',
      ],
    },
  ]
}

/**
 * A segment in the middle of a connection which tracking has not seen begin belongs to one from before: it begins
 * none. What the node is told not to track cannot be judged here.
 */
const always = [
  'ct state { established, related, untracked } accept',
  'ct state new tcp flags & (fin | syn | rst | ack) != syn accept',
  'ip saddr @protected4 accept',
  'ip6 saddr @protected6 accept',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept',
  'udp sport . udp dport { 67 . 68, 68 . 67, 546 . 547, 547 . 546 } accept',
] as const
