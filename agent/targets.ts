/** Plain claims by the address that they are on. */
import { type Address, isHost } from '#contract/address.ts'
import type { Way } from './plan.ts'
import type { Claim } from './wished.ts'

/** Claims on one address. One is the rule, so an array is made only for more. */
export type Held = Claim | readonly Claim[] | undefined

export class Targets {
  readonly #held = new Map<string | number, NonNullable<Held>>()

  on(address: Address): Held {
    return this.#held.get(keyOf(address))
  }

  /** Returns what is on the address now. */
  add(claim: Claim, address: Address): Held {
    const key = keyOf(address)
    const before = this.#held.get(key)
    const now = before === undefined ? claim : [...listOf(before), claim]
    this.#held.set(key, now)
    return now
  }

  /** Returns what is left on the address. */
  remove(claim: Claim, address: Address): Held {
    const key = keyOf(address)
    const left = listOf(this.#held.get(key)).filter((other) => other !== claim)
    const [only] = left
    if (!only) {
      this.#held.delete(key)
      return undefined
    }
    const now = left.length === 1 ? only : left
    this.#held.set(key, now)
    return now
  }

  /** The canonical text of each address that something is on. */
  *texts(): Generator<string> {
    for (const held of this.#held.values()) {
      const one = isOne(held) ? held : held[0]
      if (one) yield one.target
    }
  }
}

export function listOf(held: Held): readonly Claim[] {
  return held === undefined ? none : isOne(held) ? [held] : held
}

/** The end of the one that lasts longest this way; 0 where none goes it. */
export function latestEnd(held: Held, way: Way): number {
  if (held === undefined) return 0
  if (isOne(held)) return goes(held, way) ? held.end : 0
  return held.reduce((end, claim) => Math.max(end, latestEnd(claim, way)), 0)
}

/** Whether it is about what comes from its target, or what goes there. */
export function goes({ direction }: Pick<Claim, 'direction'>, way: Way): boolean {
  return direction === way || direction === 'both'
}

const none: readonly never[] = []

function isOne(held: NonNullable<Held>): held is Claim {
  return 'decision' in held
}

/** An IPv4 host, which most are, is found by its number in half the time that its text takes. */
function keyOf(address: Address): string | number {
  if (address.family !== 4 || !isHost(address)) return address.text
  let number = 0
  for (const byte of address.bytes) number = (number << 8) | byte
  return number
}
