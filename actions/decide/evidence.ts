/** What a condition can look at: the alert with every field present, and the attacker's history. */
import { type Address, addressScope, maybeAddress } from '#contract/address.ts'
import { type Alert, severityName } from '#contract/alert.ts'
import type { Facts } from './facts.ts'
import { History } from './history.ts'

/** One alert as conditions see it. Made once an alert and read by all rules. */
export type Evidence = {
  alert: AlertView
  /** Blocks that were decided before for the same target. */
  offences: bigint
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

export class Hidden {
  readonly history: History
  readonly #addresses = new Map<string, Address | undefined>()
  constructor(history: History, attacker: Address) {
    this.history = history
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
] as const

export function makeEvidence(
  alert: Alert,
  attacker: Address,
  observed: number,
  facts: Facts,
): Evidence {
  return {
    alert: new AlertView(alert, attacker, observed),
    offences: BigInt(facts.offences),
    [hidden]: new Hidden(new History(alert, observed, facts.history), attacker),
  }
}
