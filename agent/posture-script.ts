/**
 * The postures of a node as nft text: one table of its own, replaced as a whole in one transaction. Pure.
 *
 * What passes first, whatever was signed: loopback, what belongs to a connection that stands, what this node protects,
 * neighbour discovery and DHCP; and where the service runs, what comes to its port, since no other node could confirm else; and who is
 * allowed for a time, see posture-allowed.ts. Then what belongs to no connection, then countries, then services, then the default. An
 * accept only ends our own judgement: the table stands before the others of the node, and they have their say after it.
 *
 * While a version is on trial the table holds both it and what judged before. A set whose elements have a timeout says
 * which of them judges: the kernel itself goes back when it is empty, though nobody lives who could tell it.
 */
import type { Protected } from './guard.ts'
import { type AllowedSets, allowedSets, askAllowed, printFirstAllowed } from './posture-allowed.ts'
import { defaultLines, restLines, serviceLines, type Way } from './posture-rules.ts'
import {
  eachStanding,
  families,
  type Named,
  nameSets,
  type PostureScript,
  postureTable,
  printElements,
  printSet,
  protectedOf,
  type Standing,
} from './posture-sets.ts'

/** What is in it is judged by the rules on trial. */
const gate = 'on_trial'

/** Also where there is no table yet; what is on trial judges nothing until it is opened. Taking the networks may throw. */
export function printPosture(
  script: PostureScript,
  named: Named = nameSets(script),
  allowed: AllowedSets = allowedSets(script.allowed, script.now),
): string {
  return [
    `add table inet ${postureTable}`,
    `delete table inet ${postureTable}`,
    `add table inet ${postureTable} { comment "cordon: standing rules"; }`,
    ...(script.before
      ? [`add set inet ${postureTable} ${gate} { type nf_proto; flags timeout; }`]
      : []),
    ...[...named.sets].flatMap(([name, set]) => printSet(name, set)),
    ...printFirstAllowed(allowed, script.now),
    ...chains(script, named).flatMap(printChain),
    '',
  ].join('\n')
}

/** What is on trial judges for so long from now on. Refused where nothing is on trial. */
export function printOpening(seconds: number): string {
  return [
    `flush set inet ${postureTable} ${gate}`,
    `add element inet ${postureTable} ${gate} { ipv4 timeout ${seconds}s, ipv6 timeout ${seconds}s }`,
    '',
  ].join('\n')
}

/**
 * What was on trial stays alone: its sets and what it has counted are not touched. Refused where the table is another than
 * the script's.
 */
export function printConfirmed(script: PostureScript, named: Named): string {
  const gone = chains(script, named).filter(({ side }) => side === 'before')
  const hooks = chains({ ...script, before: undefined }, named).filter(({ hook }) => hook)
  const emptied = [...hooks, ...gone].map(({ name }) => `flush chain inet ${postureTable} ${name}`)
  return [
    ...emptied,
    ...hooks.flatMap(printRules),
    ...gone.map(({ name }) => `delete chain inet ${postureTable} ${name}`),
    ...[gate, ...named.before].map((name) => `delete set inet ${postureTable} ${name}`),
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

type Chain = { name: string; hook?: string; rules: string[]; side?: 'before' }

function printChain(chain: Chain): string[] {
  const { name, hook } = chain
  const type = hook ? ` { type filter hook ${hook} priority -10; policy accept; }` : ''
  return [`add chain inet ${postureTable} ${name}${type}`, ...printRules(chain)]
}

function printRules({ name, rules }: Chain): string[] {
  return rules.map((rule) => `add rule inet ${postureTable} ${name} ${rule}`)
}

function chains(script: PostureScript, named: Named): Chain[] {
  const services = serviceChains(script, named)
  const { servicePort, before } = script
  const toService =
    servicePort === undefined
      ? []
      : [`meta l4proto 6 ct original proto-dst ${servicePort} accept comment "the Cordon service"`]
  const judge = (chain: string) =>
    before
      ? [
          `meta nfproto @${gate} goto ${chain} comment "until it is confirmed, or its time is over"`,
          `goto before_${chain}`,
        ]
      : [`goto ${chain}`]
  return [
    { name: 'passes', rules: [...always] },
    ...services,
    ...judging(script, services, named, ''),
    ...(before ? judging({ ...script, postures: before }, services, named, 'before_') : []),
    {
      name: 'input',
      hook: 'input',
      rules: ['iif lo accept', 'jump passes', ...toService, askAllowed('input'), ...judge('node')],
    },
    {
      name: 'forward',
      hook: 'forward',
      rules: [
        'jump passes',
        ...toService.map((rule) => `ct status dnat ${rule}`),
        askAllowed('forward'),
        ...judge('through'),
      ],
    },
  ]
}

type ServiceChain = Chain & { way: Way; standing: Standing }

/** One for each posture and way, by whichever side of a trial it is looked up. */
function serviceChains(script: PostureScript, named: Named): ServiceChain[] {
  const judging = new Set(script.postures.map(({ posture }) => posture))
  return eachStanding(script)
    .flatMap((standing, at) =>
      (['node', 'forwarded'] as const).map((way) => ({
        name: `${way}_${at}`,
        rules: serviceLines(standing, way, script.now, named),
        ...{ way, standing },
        ...(judging.has(standing.posture) ? {} : { side: 'before' as const }),
      })),
    )
    .filter(({ rules }) => rules.length > 0)
}

function judging(
  script: PostureScript,
  services: readonly ServiceChain[],
  named: Named,
  prefix: '' | 'before_',
): Chain[] {
  const calls = (way: Way) =>
    script.postures.flatMap(({ audience, posture }) =>
      services
        .filter((one) => one.way === way && one.standing.posture === posture)
        .map(({ name }) => `ct state new jump ${name} comment "${audience}"`),
    )
  const rules = (way: Way) => [...restLines(script, way, named), ...calls(way)]
  const made = [
    { name: `${prefix}node`, rules: [...rules('node'), ...defaultLines(script, named)] },
    { name: `${prefix}forwarded`, rules: rules('forwarded') },
    // What is translated was addressed to this node, as the ports are that it publishes for containers.
    {
      name: `${prefix}through`,
      rules: [`ct status dnat goto ${prefix}node`, `goto ${prefix}forwarded`],
    },
  ]
  return prefix === '' ? made : made.map((chain) => ({ ...chain, side: 'before' }))
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
