/** Elements of the same two ends in one place: which of them one packet can be of, found fast however many ports they are about. */
import { interfacesMeet, type Unplaced } from './scope.ts'

type Span = { readonly low: number; readonly high: number }
type Group = {
  readonly interface: string
  readonly peerInterface: string
  readonly protocol: string | undefined
  /** By layer, in order: within one of them they are apart. */
  readonly layers: Map<number, Span[]>
}

export class Spans {
  readonly #groups = new Map<string, Group>()
  readonly #parted: boolean

  /** `parted` is whether they must be apart whatever their interfaces are. */
  constructor(parted = false) {
    this.#parted = parted
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0
  }

  add(element: Unplaced, layer: number): void {
    const { spans } = this.#make(element, layer)
    const span = spanOf(element)
    spans.splice(firstFrom(spans, span.low), 0, span)
  }

  delete(element: Unplaced, layer: number): void {
    const { group, spans } = this.#make(element, layer)
    const { low } = spanOf(element)
    const at = firstFrom(spans, low)
    if (spans[at]?.low === low) spans.splice(at, 1)
    if (spans.length === 0) group.layers.delete(layer)
    if (group.layers.size === 0) this.#groups.delete(keyOf(element))
  }

  /** Whether a packet can be of this element and of one in the layer. */
  meets(element: Unplaced, layer: number): boolean {
    const { low, high } = spanOf(element)
    for (const group of this.#groups.values()) {
      if (group.protocol !== element.protocol) continue
      if (!this.#parted && !interfacesOfBothMeet(group, element)) continue
      const spans = group.layers.get(layer) ?? []
      const at = firstFrom(spans, low)
      if ((spans[at - 1]?.high ?? -1) >= low || (spans[at]?.low ?? high + 1) <= high) return true
    }
    return false
  }

  #make(element: Unplaced, layer: number) {
    const key = keyOf(element)
    const { interface: device = '*', peerInterface = '*', protocol } = element
    const made = { interface: device, peerInterface, protocol, layers: new Map() }
    const group: Group = this.#groups.get(key) ?? made
    this.#groups.set(key, group)
    const spans: Span[] = group.layers.get(layer) ?? []
    group.layers.set(layer, spans)
    return { group, spans }
  }
}

function keyOf({ interface: device, peerInterface, protocol }: Unplaced): string {
  return `${device ?? ''} ${peerInterface ?? ''} ${protocol ?? ''}`
}

function interfacesOfBothMeet(group: Group, element: Unplaced): boolean {
  return (
    interfacesMeet(group.interface, element.interface ?? '*') &&
    interfacesMeet(group.peerInterface, element.peerInterface ?? '*')
  )
}

/** What names no port is about all of them. */
function spanOf({ ports }: Unplaced): Span {
  return ports ?? { low: 0, high: 65_535 }
}

/** Where the first one begins that does not begin below. */
function firstFrom(spans: readonly Span[], low: number): number {
  let [from, to] = [0, spans.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((spans[middle]?.low ?? 0) < low) from = middle + 1
    else to = middle
  }
  return from
}
