/** What the dead man's switch must not forget: what it suspects while the service is lost, and what cut the node off. */
import { join } from 'node:path'
import { z } from 'zod'
import { DecisionId } from '#contract/action.ts'
import { type Address, AddressText, overlaps, readAddress } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import type { Name } from './dead-man-judge.ts'
import { readState, writeState } from './state.ts'

/** The node was cut off by this, or by a batch that it was in. */
const CutOff = z.strictObject({
  audience: Audience,
  decision: DecisionId,
  /** It is refused until then (ms of the service's clock). */
  end: z.number(),
  /** Only when it came alone: of a batch nobody knows which of its targets it was. */
  target: AddressText.optional(),
})
export type CutOff = z.infer<typeof CutOff>

const Kept = z.strictObject({
  suspected: z.array(z.tuple([Audience, DecisionId])),
  cut_off: z.array(CutOff),
})
type Kept = z.infer<typeof Kept>

/** What cut the node off is remembered up to this many decisions; the oldest is given up first. */
const mostCutOff = 100_000

export class DeadManMemory {
  readonly #path: string
  #kept: Kept
  /** The disk refused what is held. */
  #unwritten = false
  #decisions = new Set<string>()
  #targets: readonly { address: Address; end: number }[] = []

  /** A file that cannot be understood holds nothing: the switch then begins anew. */
  constructor(folder: string) {
    this.#path = join(folder, 'dead-man.json')
    this.#kept = readKept(this.#path)
    this.#know()
  }

  get suspected(): readonly Name[] {
    return this.#kept.suspected
  }

  /** Throws `store_unavailable` with what the disk says; it then holds in memory. */
  suspect(names: readonly Name[]): void {
    const before = this.#kept.suspected
    const same =
      names.length === before.length && names.every(([, one], at) => one === before[at]?.[1])
    if (same && !this.#unwritten) return
    this.#keep({ ...this.#kept, suspected: names.map(([audience, name]) => [audience, name]) })
  }

  /** Nothing is suspected any more, and this is known. Throws as `suspect` does. */
  remember(cutOff: readonly CutOff[], now: number): void {
    const known = this.#kept.cut_off.filter(({ end }) => end > now)
    this.#keep({ suspected: [], cut_off: [...known, ...cutOff].slice(-mostCutOff) })
  }

  /** Whether the node was cut off by that decision, or by one alone on what it overlaps, that would last still. */
  knows(decision: string, target: Address, now: number): boolean {
    if (this.#kept.cut_off.length === 0) return false
    const like = this.#targets.some(({ address, end }) => end > now && overlaps(address, target))
    return like || this.#decisions.has(decision)
  }

  #keep(kept: Kept): void {
    this.#kept = kept
    this.#know()
    this.#unwritten = true
    writeState(this.#path, [`${JSON.stringify(kept)}\n`])
    this.#unwritten = false
  }

  #know(): void {
    const { cut_off } = this.#kept
    this.#decisions = new Set(cut_off.map(({ decision }) => decision))
    this.#targets = cut_off.flatMap(({ target, end }) =>
      target === undefined ? [] : [{ address: readAddress(target), end }],
    )
  }
}

function readKept(path: string): Kept {
  try {
    return Kept.parse(JSON.parse(readState(path) ?? ''))
  } catch {
    return { suspected: [], cut_off: [] }
  }
}
