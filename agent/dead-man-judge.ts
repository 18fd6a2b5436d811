/**
 * When a batch is to be taken out because the node may have cut itself off with it, and what comes of that. Pure: it is
 * told what happened at which time, and asked what is to be done.
 */

/** Which decision of which audience. */
export type Name = readonly [audience: string, decision: string]

export type DeadManTimes = {
  /** For so long after it was applied a batch is suspected when contact is lost. */
  windowMs: number
  /** So long without contact, and it is taken out. */
  afterMs: number
}

/** `wait`: nothing, for so long. */
export type Deed =
  | { do: 'wait'; ms: number }
  /** A fresh request to the service, to be told as `answered` or `missed`. */
  | { do: 'ask' }
  | { do: 'take_out'; names: readonly Name[] }
  /** It was not the cause. */
  | { do: 'put_back'; names: readonly Name[] }
  /** It was. */
  | { do: 'refuse'; names: readonly Name[] }

/** By audience the decisions, those that were told at once as one text: of a whole state there may be a million. */
type Batch = { at: number; decisions: Map<string, string[]> }

/** Batches this near are one. */
const togetherMs = 250
const longest = { askMs: 2_000, answerMs: 5_000, probeMs: 10_000 }

export class DeadManJudge {
  readonly #times: DeadManTimes
  #suspects: Batch[] = []
  /** When the newest request that was answered began: the way was whole after that. */
  #contact = Number.NEGATIVE_INFINITY
  /** When the oldest request that was not answered since began. */
  #lost: number | undefined
  #asked = Number.NEGATIVE_INFINITY
  #asking = false
  #out: { since: number; names: readonly Name[]; back: boolean } | undefined

  constructor(times: DeadManTimes) {
    this.#times = times
  }

  /** How long an answer may take, so that several requests fit into the times. */
  get answerMs(): number {
    return Math.min(longest.answerMs, this.#times.afterMs / 2)
  }

  /** Everything that is suspected, taken out or not. */
  get suspected(): readonly Name[] {
    return [...(this.#out?.names ?? []), ...this.#suspects.flatMap(namesIn)]
  }

  /** The service was lost, and a batch may be why. */
  get doubtful(): boolean {
    return this.#out !== undefined || (this.#lost !== undefined && this.#suspects.length > 0)
  }

  /** What is applied while there was no contact cannot be why there is none. */
  applied(names: Iterable<Name>, now: number): void {
    if (this.#contact !== Number.NEGATIVE_INFINITY) this.#suspect(names, now)
  }

  /** What was suspected before a restart is suspected still: the service is counted as lost since now. */
  resume(names: readonly Name[], now: number): void {
    if (names.length === 0) return
    this.#suspect(names, now)
    this.#lost = now
  }

  /** A request that began at `began` was answered. */
  answered(began: number): void {
    this.#contact = Math.max(this.#contact, began)
    if (this.#lost !== undefined && began < this.#lost) return
    this.#lost = undefined
    if (this.#out) this.#out.back = true
    this.#suspects = this.#suspects.filter(({ at }) => at + this.#times.windowMs > this.#contact)
  }

  /** A request that began at `began` was not. */
  missed(began: number): void {
    if (began > this.#contact) this.#lost = Math.min(this.#lost ?? began, began)
  }

  /** The request that was asked for is over. */
  asked(): void {
    this.#asking = false
  }

  /** To be asked after each event, and again after the time that it says. */
  next(now: number): Deed {
    if (this.#out) return this.#whileOut(this.#out, now)
    if (this.#suspects.length === 0) return { do: 'wait', ms: Number.POSITIVE_INFINITY }
    const ends = this.#lost === undefined ? undefined : this.#lost + this.#times.afterMs
    if (ends !== undefined && now >= ends) return this.#takeOut(now)
    return this.#askAt(ends === undefined ? this.#due() : now, now, ends)
  }

  #suspect(names: Iterable<Name>, now: number): void {
    const last = this.#suspects.at(-1)
    const near = last && now - last.at <= togetherMs && this.#contact < last.at
    const batch: Batch = near ? last : { at: now, decisions: new Map() }
    for (const [audience, some] of Map.groupBy(names, ([name]) => name)) {
      const text = some.map(([, decision]) => decision).join(' ')
      const known = batch.decisions.get(audience)
      if (known) known.push(text)
      else batch.decisions.set(audience, [text])
    }
    if (!near && batch.decisions.size > 0) this.#suspects.push(batch)
    // It counts from its newest, so that none of it is let off too soon.
    batch.at = now
  }

  #takeOut(now: number): Deed {
    const names = this.#likeliest().flatMap(namesIn)
    this.#suspects = []
    this.#out = { since: now, names, back: false }
    return { do: 'take_out', names }
  }

  #whileOut(
    { since, names, back }: { since: number; names: readonly Name[]; back: boolean },
    now: number,
  ): Deed {
    const ends = since + Math.min(longest.probeMs, this.#times.afterMs)
    if (!back && now < ends) return this.#askAt(now, now, ends)
    this.#out = undefined
    return { do: back ? 'refuse' : 'put_back', names }
  }

  /** What was applied since contact was proved last; all that is suspected when it was proved since. */
  #likeliest(): readonly Batch[] {
    const unproved = this.#suspects.filter(({ at }) => at > this.#contact)
    return unproved.length > 0 ? unproved : this.#suspects
  }

  /** Receipts and heartbeats tell as well: only where none does in time a request is made for this. */
  #due(): number {
    const dues = this.#suspects.map(({ at }) =>
      at > this.#contact ? at : at + this.#times.windowMs,
    )
    return Math.min(...dues) + this.#paceMs
  }

  #askAt(wanted: number, now: number, ends = Number.POSITIVE_INFINITY): Deed {
    const due = Math.max(wanted, this.#asked + this.#paceMs)
    if (!this.#asking && now >= due) {
      this.#asking = true
      this.#asked = now
      return { do: 'ask' }
    }
    return { do: 'wait', ms: Math.max(0, Math.min(this.#asking ? ends : due, ends) - now) }
  }

  get #paceMs(): number {
    return Math.min(longest.askMs, this.#times.afterMs / 4)
  }
}

function namesIn({ decisions }: Batch): Name[] {
  const names: Name[] = []
  for (const [audience, texts] of decisions)
    for (const text of texts) for (const one of text.split(' ')) names.push([audience, one])
  return names
}
