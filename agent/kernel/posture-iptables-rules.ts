/** The standing rules that hold now as chains of iptables, with the meaning that posture-script.ts gives them in nftables. Pure. */
import { createHash } from 'node:crypto'
import type { Rate } from '#contract/action.ts'
import type { CountryRule, Posture, PostureRule, ServiceRule } from '#contract/posture.ts'
import {
  countrySet,
  eachStanding,
  type Named,
  type PostureScript,
  type Standing,
} from '../posture-sets.ts'
import { rulesNow } from '../posture-time.ts'
import { fullAgain } from './hashlimit.ts'
import type { Placed } from './iptables-looks.ts'
import type { Family } from './iptables-program.ts'
import { letIn, type Table } from './iptables-rules.ts'
import { numbers } from './scoped.ts'

type Way = 'node' | 'forwarded'
/** The networks themselves are many, and no rule has them. */
type Names = Pick<Named, 'of'>

const inputChain = 'CORDON_POSTURE_INPUT'
const forwardChain = 'CORDON_POSTURE_FORWARD'
/** The kernel takes 28 letters. */
const sides = { judging: 'CORDON_POSTURE_', before: 'CORDON_POSTURE_WAS_' } as const
type Side = keyof typeof sides

/** The set of `named` whose elements end with a trial: all addresses of the family are in it as long as it lasts. */
export function gateSet(family: Family): string {
  return `on_trial${family}`
}

/** For the table filter. `setOf` is the ipset for a set of `named`. */
export function postureRules(
  script: PostureScript,
  named: Names,
  family: Family,
  setOf: (name: string) => string,
  allowed: readonly Placed[] = [],
): Table {
  return new Writer(script, named, family, setOf).table(allowed)
}

class Writer {
  readonly #script: PostureScript
  readonly #named: Names
  readonly #family: Family
  readonly #setOf: (name: string) => string
  readonly #chains: Record<string, string[]> = {}
  /** What is made for one is named by its place. */
  readonly #places: ReadonlyMap<Posture, number>

  constructor(
    script: PostureScript,
    named: Names,
    family: Family,
    setOf: (name: string) => string,
  ) {
    this.#script = script
    this.#named = named
    this.#family = family
    this.#setOf = setOf
    this.#places = new Map(eachStanding(script).map(({ posture }, at) => [posture, at]))
  }

  /**
   * To return is to leave the packet to the other rules of the node. Who came by `-g` returns to the chain of the kernel's:
   * what is translated is judged as the node's and not a second time.
   */
  table(allowed: readonly Placed[]): Table {
    const { postures, before } = this.#script
    const passes = this.#passes()
    this.#side('judging', postures)
    if (before) this.#side('before', before)
    return {
      jumps: [
        ['INPUT', `-j ${inputChain}`],
        ['FORWARD', `-j ${forwardChain}`],
      ],
      chains: {
        ...this.#chains,
        [inputChain]: [
          '-i lo -j RETURN',
          ...passes,
          ...this.#toService(),
          ...this.#letIn('INPUT', allowed),
          ...this.#judge('NODE'),
        ],
        [forwardChain]: [
          ...passes,
          ...this.#toService().map((rule) => line('-m conntrack --ctstate DNAT', rule)),
          ...this.#letIn('FORWARD', allowed),
          ...this.#judge('THROUGH'),
        ],
      },
    }
  }

  #side(side: Side, postures: readonly Standing[]): void {
    const name = sides[side]
    const forwarded = this.#judging('forwarded', postures)
    this.#chains[`${name}NODE`] = [...this.#judging('node', postures), ...this.#default(postures)]
    this.#chains[`${name}THROUGH`] = [`-m conntrack --ctstate DNAT -g ${name}NODE`, ...forwarded]
  }

  /** Which side judges, as in posture-script.ts. */
  #judge(chain: string): string[] {
    if (!this.#script.before) return [`-g ${sides.judging}${chain}`]
    const onTrial = this.#from(gateSet(this.#family))
    return [line(onTrial, `-g ${sides.judging}${chain}`), `-g ${sides.before}${chain}`]
  }

  #passes(): string[] {
    const own = this.#family === 4 ? passes4 : passes6
    const isProtected = this.#from(`protected${this.#family}`)
    return [...passesFirst, isProtected, ...own].map((match) => `${match} -j RETURN`)
  }

  #toService(): string[] {
    const { servicePort } = this.#script
    if (servicePort === undefined) return []
    const port = `-p tcp -m conntrack --ctorigdstport ${servicePort}`
    return [line(port, comment('the Cordon service'), '-j RETURN')]
  }

  /** As posture-allowed.ts. */
  #letIn(hook: 'INPUT' | 'FORWARD', allowed: readonly Placed[]): string[] {
    const here = allowed.filter(({ family }) => family === this.#family)
    return letIn(hook, here).map((look) =>
      line('-m conntrack --ctstate NEW', look, comment('allowed for a time'), '-j RETURN'),
    )
  }

  #judging(way: Way, postures: readonly Standing[]): string[] {
    const all = postures.flatMap(({ posture }) =>
      rulesNow(posture, this.#script.now).flatMap((rule, index) =>
        isOn(rule, way) ? [{ rule, posture, key: `${this.#places.get(posture)}_${index}` }] : [],
      ),
    )
    const states = all.flatMap(({ rule }) =>
      rule.rule === 'state' ? [`-m conntrack --ctstate INVALID ${drop(rule.name)}`] : [],
    )
    const countries = all.flatMap(({ rule, posture, key }) =>
      rule.rule === 'country' ? this.#country(rule, posture, key) : [],
    )
    return [...states, ...countries, ...this.#services(way, postures)]
  }

  #country(rule: CountryRule, posture: Posture, key: string): string[] {
    const bases = rule.countries.map((code) => countrySet(code, posture, this.#named))
    const froms = (all: readonly string[]) => all.map((base) => this.#from(this.#perFamily(base)))
    if (rule.mode === 'deny')
      return matches(rule).flatMap((match) =>
        froms(bases).map((from) => line(match, from, drop(rule.name))),
      )
    // All in one rule would be more words than iptables-restore reads in a line.
    const chain = `CORDON_POSTURE_ONLY_${key}`
    this.#chains[chain] = [
      ...froms(['home', ...bases]).map((from) => `${from} -j RETURN`),
      drop(rule.name),
    ]
    return matches(rule).map((match) => line(match, `-j ${chain}`))
  }

  #services(way: Way, postures: readonly Standing[]): string[] {
    return postures.flatMap(({ audience, posture }) => {
      const rules = rulesNow(posture, this.#script.now).flatMap((rule, index) =>
        rule.rule === 'service' && isOn(rule, way)
          ? this.#matches(rule, posture).flatMap((match) =>
              this.#verdict(rule, match, [audience, index]),
            )
          : [],
      )
      if (rules.length === 0) return []
      const chain = `CORDON_POSTURE_${way.toUpperCase()}_${this.#places.get(posture)}`
      this.#chains[chain] = rules
      return [`-m conntrack --ctstate NEW ${comment(audience)} -j ${chain}`]
    })
  }

  #verdict(rule: ServiceRule, match: string, which: readonly unknown[]): string[] {
    if (rule.verdict === 'drop') return [line(match, drop(rule.name))]
    if (rule.verdict === 'reject') return this.#reject(rule, match)
    const passes = line(match, comment(rule.name), '-j RETURN')
    if (!rule.rate) return [passes]
    const above = this.#above(rule.rate, JSON.stringify([this.#family, which, rule]))
    return [line(match, above, drop(rule.name)), passes]
  }

  #reject({ name, protocol }: ServiceRule, match: string): string[] {
    const word = comment(name)
    const how = this.#family === 4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited'
    const other = line(match, word, `-j REJECT --reject-with ${how}`)
    const reset = (more: string) => line(match, more, word, '-j REJECT --reject-with tcp-reset')
    if (protocol === 'tcp') return [reset('')]
    return protocol === undefined ? [reset('-p tcp'), other] : [other]
  }

  /** What is not accepted by a service of any posture, where one of them asks for that. */
  #default(postures: readonly Standing[]): string[] {
    const { now } = this.#script
    if (!postures.some(({ posture }) => posture.default === 'drop')) return []
    const accepted = postures.flatMap(({ posture }) =>
      rulesNow(posture, now).flatMap((rule) =>
        rule.rule === 'service' && rule.verdict === 'accept' && rule.way !== 'forwarded'
          ? this.#matches(rule, posture).map((match) =>
              line('-m conntrack --ctstate NEW', match, comment(rule.name), '-j RETURN'),
            )
          : [],
      ),
    )
    return [...accepted, drop('default')]
  }

  #matches(rule: ServiceRule, posture: Posture): string[] {
    const sources = rule.from ? this.#sources(rule.from, posture) : ['']
    return matches(rule).flatMap((match) => sources.map((from) => line(match, from)))
  }

  #sources(from: NonNullable<ServiceRule['from']>, posture: Posture): string[] {
    const own = this.#named.of.get(from)
    const bases = [
      ...(own === undefined ? [] : [own]),
      ...from.countries.map((code) => countrySet(code, posture, this.#named)),
    ]
    return bases.map((base) => this.#from(this.#perFamily(base)))
  }

  /** Rules of one name count together, and go on counting when the chains are written anew. */
  #above(rate: Rate, which: string): string {
    const name = createHash('sha256').update(which).digest('hex').slice(0, 14)
    return [
      `-m hashlimit --hashlimit-above ${rate.packets}/${rate.per} --hashlimit-burst ${rate.burst}`,
      `--hashlimit-mode srcip --hashlimit-srcmask ${this.#family === 4 ? 32 : 64}`,
      `--hashlimit-name p${name} --hashlimit-htable-max 65536`,
      `--hashlimit-htable-expire ${fullAgain(rate)}`,
    ].join(' ')
  }

  #perFamily(base: string): string {
    return `${base}_${this.#family}`
  }

  #from(name: string): string {
    return `-m set --match-set ${this.#setOf(name)} src`
  }
}

/** As `always` of posture-script.ts; ICMPv6 by number, errors, listeners and neighbours. */
const passesFirst = [
  '-m conntrack --ctstate ESTABLISHED,RELATED,UNTRACKED',
  '-p tcp -m conntrack --ctstate NEW -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN',
]
const passes4 = ['-p udp -m udp --sport 67 --dport 68', '-p udp -m udp --sport 68 --dport 67']
const passes6 = [
  ...[1, 2, 3, 4, 130, 131, 132, 133, 134, 135, 136, 143].map(
    (type) => `-p icmpv6 -m icmp6 --icmpv6-type ${type}`,
  ),
  '-p udp -m udp --sport 546 --dport 547',
  '-p udp -m udp --sport 547 --dport 546',
]

function isOn(rule: PostureRule, way: Way): boolean {
  return rule.way === way || rule.way === 'both'
}

/** One a range: what the sender addressed is known to tracking alone, which is asked for one range. */
function matches({
  protocol,
  ports,
  interface: name,
}: Pick<ServiceRule, 'protocol' | 'ports' | 'interface'>): string[] {
  const by = name === undefined ? '' : `-i ${name.replace(/\*$/, '+')}`
  const kind = protocol === undefined ? '' : `-p ${numbers[protocol]}`
  if (!ports) return [line(by, kind)]
  return ports.map((range) =>
    line(by, kind, `-m conntrack --ctorigdstport ${range.replace('-', ':')}`),
  )
}

function drop(name: string): string {
  return `${comment(name)} -j DROP`
}

function comment(name: string): string {
  return `-m comment --comment "${name}"`
}

function line(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}
