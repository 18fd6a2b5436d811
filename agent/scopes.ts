/** The scoped orders of this node as elements in layers, so that no two of one layer overlap. */
import { type Address, readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { layers, type ScopedElement } from './kernel/firewall.ts'
import { isParted, placeOf } from './kernel/scoped.ts'
import { namesOf } from './link-notes.ts'
import { Pairs } from './pairs.ts'
import { elementsOf, identityOf, type Scoped, type Unplaced } from './scope.ts'
import type { Claim } from './wished.ts'

/** A claim that is more than a plain block. */
export type ScopedClaim = Claim & { readonly scoped: Scoped }

/** What there would be with one more: claims, elements, and whether each finds a layer. */
export type ScopedRoom = { claims: number; elements: number; layered: boolean }

type Placed = { readonly element: Unplaced; readonly layer: number; readonly claims: Claim[] }

export class Scopes {
  readonly #placed = new Map<string, Placed>()
  readonly #places = new Map<string, Pairs>()
  readonly #naming = new Set<Claim>()
  #claims = 0
  #version = 0

  /** Another number whenever anything is another. */
  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#claims
  }

  /** Those that name an interface. */
  get naming(): ReadonlySet<Claim> {
    return this.#naming
  }

  get countElements(): number {
    return this.#placed.size
  }

  /** Those of which the element is a part. */
  claimsOf(element: Unplaced): readonly Claim[] {
    return this.#placed.get(identityOf(element))?.claims ?? []
  }

  roomWith(claim: ScopedClaim, address: Address): ScopedRoom {
    const found = this.#find(claim, address)
    const news = found.filter(({ identity }) => !this.#placed.has(identity)).length
    return {
      claims: this.#claims + 1,
      elements: this.#placed.size + news,
      layered: found.every(({ layer }) => layer !== undefined),
    }
  }

  /** The caller has asked whether there is room. Throws `ceiling_reached` when there is not. */
  add(claim: ScopedClaim, address: Address): void {
    const found = this.#find(claim, address)
    if (found.some(({ layer }) => layer === undefined)) throw noLayer()
    for (const { identity, element, layer = 0 } of found) {
      const known = this.#placed.get(identity)
      if (known) known.claims.push(claim)
      else {
        const placed: Placed = { element, layer, claims: [claim] }
        this.#placed.set(identity, placed)
        this.#place(element).add(element, layer)
      }
    }
    if (namesOf(claim).length > 0) this.#naming.add(claim)
    this.#claims++
    this.#version++
  }

  remove(claim: ScopedClaim): void {
    for (const element of elementsOf(claim, claim.scoped, readAddress(claim.target))) {
      const identity = identityOf(element)
      const known = this.#placed.get(identity)
      if (!known) continue
      known.claims.splice(known.claims.indexOf(claim), 1)
      if (known.claims.length > 0) continue
      this.#placed.delete(identity)
      this.#place(element).delete(known.element, known.layer)
    }
    this.#naming.delete(claim)
    this.#claims--
    this.#version++
  }

  /** Each with the latest end of its claims. */
  elements(): ScopedElement[] {
    return [...this.#placed.values()].map(({ element, layer, claims }) => ({
      ...element,
      layer,
      end: Math.max(...claims.map(({ end }) => end)),
    }))
  }

  /** Elements of one order are apart from one another, so that each is judged against what is there. */
  #find(claim: ScopedClaim, address: Address) {
    return elementsOf(claim, claim.scoped, address).map((element) => {
      const identity = identityOf(element)
      const layer = this.#placed.get(identity)?.layer ?? freeLayer(this.#place(element), element)
      return { identity, element, layer }
    })
  }

  #place(element: Unplaced): Pairs {
    const name = placeOf(element)
    const found = this.#places.get(name)
    if (found) return found
    const made = new Pairs(isParted(element))
    this.#places.set(name, made)
    return made
  }
}

/** The lowest in which nothing overlaps it. */
function freeLayer(pairs: Pairs, element: Unplaced): number | undefined {
  const around = pairs.around(element)
  for (let layer = 0; layer < layers; layer++)
    if (!around.some((spans) => spans.meets(element, layer))) return layer
  return undefined
}

function noLayer(): Problem {
  return new Problem('ceiling_reached', `more than ${layers} orders overlap one another`, {
    remedy: 'lift some of them, or order it for the network as a whole',
  })
}
