/** Elements of one place by both ends, of which those that overlap are found fast however many there are. */
import { widen } from '#contract/address.ts'
import type { Unplaced } from './scope.ts'
import { Spans } from './spans.ts'

/** Prefix lengths of address and peer. */
type Lengths = readonly [address: number, peer: number]

/** Elements of the same two ends. */
type Pair = { readonly ends: Ends; readonly spans: Spans }
type Ends = Pick<Unplaced, 'address' | 'peer'>

/** Pairs of the same lengths; and by the first bits of both, each as many as somebody has asked by. */
type Kind = {
  readonly lengths: Lengths
  readonly pairs: Map<string, Pair>
  readonly views: Map<string, View>
}
type View = { readonly lengths: Lengths; readonly pairs: Map<string, Set<Pair>> }

export class Pairs {
  readonly #kinds = new Map<string, Kind>()
  readonly #parted: boolean

  /** `parted` is whether they must be apart whatever their interfaces are. */
  constructor(parted: boolean) {
    this.#parted = parted
  }

  add(element: Unplaced, layer: number): void {
    const lengths = lengthsOf(element)
    const kind: Kind = this.#kinds.get(`${lengths}`) ?? {
      lengths,
      pairs: new Map(),
      views: new Map(),
    }
    this.#kinds.set(`${lengths}`, kind)
    const { address, peer } = element
    const key = keyOf(element, lengths)
    const pair = kind.pairs.get(key) ?? { ends: { address, peer }, spans: new Spans(this.#parted) }
    if (pair.spans.isEmpty) {
      kind.pairs.set(key, pair)
      for (const view of kind.views.values()) show(view, pair)
    }
    pair.spans.add(element, layer)
  }

  delete(element: Unplaced, layer: number): void {
    const lengths = lengthsOf(element)
    const kind = this.#kinds.get(`${lengths}`)
    const key = keyOf(element, lengths)
    const pair = kind?.pairs.get(key)
    if (!kind || !pair) return
    pair.spans.delete(element, layer)
    if (!pair.spans.isEmpty) return
    kind.pairs.delete(key)
    for (const view of kind.views.values()) hide(view, pair)
    if (kind.pairs.size === 0) this.#kinds.delete(`${lengths}`)
  }

  /** What one packet can be of together with this, as far as both ends tell. */
  around(element: Unplaced): Spans[] {
    const found: Spans[] = []
    const [address, peer] = lengthsOf(element)
    for (const kind of this.#kinds.values()) {
      const lengths = [Math.min(address, kind.lengths[0]), Math.min(peer, kind.lengths[1])] as const
      const key = keyOf(element, lengths)
      for (const { spans } of viewOf(kind, lengths).pairs.get(key) ?? []) found.push(spans)
    }
    return found
  }
}

function viewOf(kind: Kind, lengths: Lengths): View {
  const found = kind.views.get(`${lengths}`)
  if (found) return found
  const made: View = { lengths, pairs: new Map() }
  for (const pair of kind.pairs.values()) show(made, pair)
  kind.views.set(`${lengths}`, made)
  return made
}

function show({ lengths, pairs }: View, pair: Pair): void {
  const key = keyOf(pair.ends, lengths)
  const among = pairs.get(key)
  if (among) among.add(pair)
  else pairs.set(key, new Set([pair]))
}

function hide({ lengths, pairs }: View, pair: Pair): void {
  const key = keyOf(pair.ends, lengths)
  const among = pairs.get(key)
  among?.delete(pair)
  if (among?.size === 0) pairs.delete(key)
}

function lengthsOf({ address, peer }: Ends): Lengths {
  return [address.prefix, peer?.prefix ?? 0]
}

/** The first bits of both. */
function keyOf({ address, peer }: Ends, [one, other]: Lengths): string {
  return `${widen(address, one).text} ${peer ? widen(peer, other).text : ''}`
}
