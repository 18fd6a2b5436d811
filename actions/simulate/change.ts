/** Alerts that one policy treats otherwise than the other: counted, with the first few to look at. */
import { printTime } from '#contract/time.ts'
import type { Replayed } from './replayed.ts'
import type { Change, Example } from './report.ts'
import type { Judgement } from './world.ts'

export const shownExamples = 5

export function exampleOf(
  { alert, received }: Replayed,
  before: Judgement,
  after: Judgement,
): Example {
  return {
    alert: alert.id,
    address: alert.attacker ?? '',
    at: printTime(received),
    rule: after.spared ?? after.rule ?? before.rule,
    before: before.outcome,
    after: after.outcome,
  }
}

export class Changed {
  readonly #addresses = new Map<string, { alerts: number; example: Example }>()

  add(replayed: Replayed, before: Judgement, after: Judgement): void {
    const address = replayed.alert.attacker ?? ''
    const known = this.#addresses.get(address)
    if (known) known.alerts++
    else this.#addresses.set(address, { alerts: 1, example: exampleOf(replayed, before, after) })
  }

  /** Without the addresses of which `but` holds. */
  report(but: (address: string) => boolean = () => false): Change {
    const change: Change = { alerts: 0, addresses: 0, examples: [] }
    for (const [address, { alerts, example }] of this.#addresses) {
      if (but(address)) continue
      change.alerts += alerts
      change.addresses++
      if (change.examples.length < shownExamples) change.examples.push(example)
    }
    return change
  }

  addresses(): Iterable<string> {
    return this.#addresses.keys()
  }
}
