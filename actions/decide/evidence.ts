/** What a condition can look at: the alert with every field present, and the attacker's history. */
import { type Address, addressScope, maybeAddress } from '#contract/address.ts'
import { type Alert, severityName } from '#contract/alert.ts'
import type { AnsweredFact, Consult } from './consult.ts'
import type { Facts } from './facts.ts'
import { History } from './history.ts'

/** One alert as conditions see it. Made once an alert and read by all rules. */
export type Evidence = {
  alert: AlertView
  /** Blocks that were decided before for the same target. */
  offences: bigint
  place: PlaceView
  /** Not for policies to name: what the counting functions and `in_network` read. */
  [hidden]: Hidden
}

/** An identifier that nobody writes by mistake. */
export const hidden = '__evidence'

const fields = {
  AlertRule: { id: 'string', name: 'string' },
  AlertVictim: { address: 'string', host: 'string', port: 'int', protocol: 'string' },
  Alert: {
    source: 'string',
    severity: 'int',
    severity_name: 'string',
    rule: 'AlertRule',
    groups: 'list<string>',
    mitre: 'list<string>',
    attacker: 'string',
    attacker_scope: 'string',
    family: 'int',
    victim: 'AlertVictim',
    user: 'string',
    count: 'int',
    blocked: 'bool',
    hour: 'int',
  },
  Place: {
    country: 'string',
    city: 'string',
    asn: 'int',
    as_owner: 'string',
    anonymous: 'list<string>',
  },
  Intelligence: {
    verdict: 'string',
    score: 'int',
    malicious: 'bool',
    suspicious: 'bool',
    benign: 'bool',
    known: 'bool',
    trusted: 'bool',
    tags: 'list<string>',
  },
} as const

type Values = {
  string: string
  int: bigint
  bool: boolean
  'list<string>': readonly string[]
  AlertRule: RuleView
  AlertVictim: VictimView
}
type View<Name extends keyof typeof fields> = {
  readonly [Field in keyof (typeof fields)[Name]]: (typeof fields)[Name][Field] extends keyof Values
    ? Values[(typeof fields)[Name][Field]]
    : never
}

// CEL knows the type of a value by its class, so each of these is one.
class RuleView implements View<'AlertRule'> {
  readonly id: string
  readonly name: string
  constructor(rule: Alert['rule']) {
    this.id = rule.id
    this.name = rule.name
  }
}

class VictimView implements View<'AlertVictim'> {
  readonly address: string
  readonly host: string
  readonly port: bigint
  readonly protocol: string
  constructor(victim: Alert['victim']) {
    this.address = victim?.address ?? ''
    this.host = victim?.host ?? ''
    this.port = BigInt(victim?.port ?? 0)
    this.protocol = victim?.protocol ?? ''
  }
}

/** Absent text is empty and an absent number is 0, so that no condition fails for want of a field. */
class AlertView implements View<'Alert'> {
  readonly source: string
  readonly severity: bigint
  readonly severity_name: string
  readonly rule: RuleView
  readonly groups: readonly string[]
  readonly mitre: readonly string[]
  readonly attacker: string
  readonly attacker_scope: string
  readonly family: bigint
  readonly victim: VictimView
  readonly user: string
  readonly count: bigint
  readonly blocked: boolean
  /** Of the observation, UTC. */
  readonly hour: bigint
  constructor(alert: Alert, attacker: Address, observed: number) {
    this.source = alert.source
    this.severity = BigInt(alert.rule.severity)
    this.severity_name = severityName(alert.rule.severity)
    this.rule = new RuleView(alert.rule)
    this.groups = alert.rule.groups
    this.mitre = alert.rule.mitre
    this.attacker = attacker.text
    this.attacker_scope = addressScope(attacker)
    this.family = BigInt(attacker.family)
    this.victim = new VictimView(alert.victim)
    this.user = alert.user ?? ''
    this.count = BigInt(alert.count)
    this.blocked = alert.blocked ?? false
    this.hour = BigInt(Math.floor(observed / 3_600_000) % 24)
  }
}

/** A field is looked up when a condition reads it, so that only what was asked has a say. */
class PlaceView implements View<'Place'> {
  declare readonly country: string
  declare readonly city: string
  declare readonly asn: bigint
  declare readonly as_owner: string
  declare readonly anonymous: readonly string[]
  constructor(consult: Consult) {
    // CEL reads own properties only, so accessors of the class would not do.
    Object.defineProperties(this, {
      country: { get: () => consult.place('country', 'country') },
      city: { get: () => consult.place('city', 'city') },
      asn: { get: () => BigInt(consult.place('asn', 'asn')) },
      as_owner: { get: () => consult.place('asn', 'as_owner') },
      anonymous: { get: () => consult.place('anonymous', 'anonymous') },
    })
  }
}

export class IntelligenceView implements View<'Intelligence'> {
  readonly verdict: string
  readonly score: bigint
  readonly malicious: boolean
  readonly suspicious: boolean
  readonly benign: boolean
  /** The provider has seen the address. */
  readonly known: boolean
  readonly trusted: boolean
  readonly tags: readonly string[]
  constructor({ verdict, score, trusted, tags }: AnsweredFact) {
    this.verdict = verdict
    this.score = BigInt(score)
    this.malicious = verdict === 'malicious'
    this.suspicious = verdict === 'suspicious'
    this.benign = verdict === 'benign'
    this.known = verdict !== 'unknown'
    this.trusted = trusted
    this.tags = tags
  }
}

export class Hidden {
  readonly history: History
  readonly consult: Consult
  /** When the alert was observed, epoch milliseconds. */
  readonly observed: number
  /** When a node last stopped something of this attacker. */
  readonly lastHit: number | undefined
  readonly #addresses = new Map<string, Address | undefined>()
  constructor(
    history: History,
    consult: Consult,
    attacker: Address,
    observed: number,
    lastHit: number | undefined,
  ) {
    this.lastHit = lastHit
    this.history = history
    this.consult = consult
    this.observed = observed
    this.#addresses.set(attacker.text, attacker)
  }

  /** Reads each text once an alert. */
  address(text: string): Address | undefined {
    if (!this.#addresses.has(text)) this.#addresses.set(text, maybeAddress(text))
    return this.#addresses.get(text)
  }
}

/** The types of conditions, in the order in which they need each other. */
export const viewTypes = [
  { name: 'AlertRule', ctor: RuleView, fields: fields.AlertRule },
  { name: 'AlertVictim', ctor: VictimView, fields: fields.AlertVictim },
  { name: 'Alert', ctor: AlertView, fields: fields.Alert },
  { name: 'Place', ctor: PlaceView, fields: fields.Place },
  { name: 'Intelligence', ctor: IntelligenceView, fields: fields.Intelligence },
] as const

export function makeEvidence(
  alert: Alert,
  attacker: Address,
  observed: number,
  facts: Facts,
  consult: Consult,
): Evidence {
  const history = new History(alert, observed, facts.history)
  return {
    alert: new AlertView(alert, attacker, observed),
    offences: BigInt(facts.offences),
    place: new PlaceView(consult),
    [hidden]: new Hidden(history, consult, attacker, observed, facts.lastHit),
  }
}
