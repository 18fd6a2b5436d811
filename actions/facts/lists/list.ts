/** One list over time: obtained, checked against what it was, kept, and what went wrong last. */
import type { Logger } from 'pino'
import type { Address } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { type Copy, type Kept, openCopy } from './copy.ts'
import { untilNext, untilRetry } from './due.ts'
import { fromFile } from './from-file.ts'
import { type Fetch, fromUrl } from './from-url.ts'
import type { Obtained } from './obtain.ts'
import type { ParseJob } from './parse-file.ts'
import type { ListRead } from './read-list.ts'
import type { ListSettings } from './settings.ts'

export type ListParts = {
  now: () => number
  random: () => number
  fetch: Fetch
  /** Folder of the last good copies. */
  dir: string
  log: Logger
  /** What no list may hold: addresses of this service and of nodes, and what is protected. */
  protectedNetworks: () => readonly Address[]
  /** For one whole fetch. */
  timeoutMs: number
  parse: (job: ParseJob, signal: AbortSignal) => Promise<ListRead>
  signal: AbortSignal
  changed: (name: string) => void
}

/** Lists that lose some of a few entries are no reason to doubt them. */
const smallList = 10

export class List {
  readonly settings: ListSettings
  readonly #parts: ListParts
  #copy: Copy | undefined
  #inForce: { read: ListRead; kept: Kept; avoided: string } | undefined
  #problem: Problem | undefined
  /** Of a file: as it was when it was read last, and whether it was refused then. */
  #seen: { mark: string; refused: boolean } | undefined
  #failures = 0
  #since: number
  #due: number
  #busy: Promise<void> | undefined

  constructor(settings: ListSettings, parts: ListParts) {
    this.settings = settings
    this.#parts = parts
    this.#since = this.#due = parts.now()
  }

  /** Undefined before the first good text. */
  get inForce(): { read: ListRead; kept: Kept } | undefined {
    return this.#inForce
  }
  /** Also of a list that is ready: it goes on with its last good text. */
  get problem(): Problem | undefined {
    return this.#problem
  }
  get since(): number {
    return this.#since
  }
  get due(): number {
    return this.#due
  }

  /** Does what is due. Never rejects. */
  look(): Promise<void> {
    this.#busy ??= this.#step(false).finally(() => {
      this.#busy = undefined
    })
    return this.#busy
  }

  /** Asks the source now. Never rejects; `problem` says how it went. */
  async refresh(): Promise<void> {
    while (this.#busy) await this.#busy
    this.#busy = this.#step(true).finally(() => {
      this.#busy = undefined
    })
    return this.#busy
  }

  async #step(now: boolean): Promise<void> {
    try {
      if (!this.#copy) await this.#load()
      else await this.#avoidAgain()
    } catch (error) {
      this.#fail(error)
    }
    const isDue = now || this.#parts.now() >= this.#due
    if (this.#copy && isDue && !this.#parts.signal.aborted) await this.#ask(this.#copy)
  }

  /** The copy is in force before its source is asked, and says when that is due. */
  async #load(): Promise<void> {
    const { dir, random } = this.#parts
    const { name, url, file } = this.settings
    this.#copy = await openCopy(dir, name, url ?? file ?? '')
    const kept = await this.#copy.read()
    if (!kept) return
    await this.#parse(this.#copy.pathOf(kept.digest), (read, avoided) =>
      this.#put(read, kept, avoided),
    )
    if (kept.marks.file !== undefined) this.#seen = { mark: kept.marks.file, refused: false }
    this.#due = url === undefined ? this.#due : kept.confirmed + untilNext(this.settings, random)
  }

  /** What is protected changed: the copy is read again without it. */
  async #avoidAgain(): Promise<void> {
    const { avoided, kept } = this.#inForce ?? {}
    if (!this.#copy || !kept || avoided === this.#avoided().join()) return
    await this.#parse(this.#copy.pathOf(kept.digest), (read, now) => this.#put(read, kept, now))
  }

  async #ask(copy: Copy): Promise<void> {
    const { now, random } = this.#parts
    let obtained: Obtained
    try {
      obtained = await this.#obtain(copy)
      this.#failures = 0
      this.#due = now() + untilNext(this.settings, random)
    } catch (error) {
      const pause = this.#fail(error).retryMs
      this.#due = now() + untilRetry(this.settings, ++this.#failures, random, pause)
      return
    }
    try {
      await this.#take(copy, obtained)
    } catch (error) {
      if (this.#seen) this.#seen.refused = true
      this.#fail(error)
      await copy.drop()
    }
  }

  #obtain({ next: path }: Copy): Promise<Obtained> {
    const { url, file, max_bytes: maxBytes } = this.settings
    const { fetch, now, signal, timeoutMs } = this.#parts
    if (url === undefined) return fromFile(file ?? '', this.#seen?.mark, { path, maxBytes })
    const request = { fetch, now, signal, timeoutMs, maxBytes, path }
    return fromUrl(url, this.#inForce?.kept.marks ?? {}, request)
  }

  async #take(copy: Copy, obtained: Obtained): Promise<void> {
    if (obtained.changed && obtained.marks.file !== undefined)
      this.#seen = { mark: obtained.marks.file, refused: false }
    const inForce = this.#inForce
    if (!obtained.changed && this.#seen?.refused) return
    if (inForce && (!obtained.changed || obtained.digest === inForce.kept.digest)) {
      const marks = obtained.changed ? obtained.marks : inForce.kept.marks
      inForce.kept = { ...inForce.kept, marks, confirmed: this.#parts.now() }
      this.#problem = undefined
      // A file of this machine is looked at every few seconds: nothing is written for that.
      if (this.settings.url !== undefined) await copy.confirm(inForce.kept)
      if (obtained.changed) await copy.drop()
    } else if (obtained.changed) await this.#replace(copy, obtained)
  }

  async #replace(copy: Copy, obtained: Extract<Obtained, { changed: true }>): Promise<void> {
    const { digest, marks } = obtained
    await this.#parse(obtained.path, async (read, avoided) => {
      refuseShrunk(read.entries, this.#inForce?.read.entries ?? 0, this.settings.shrink_limit)
      const kept = { digest, marks, confirmed: this.#parts.now() }
      await copy.replace(kept)
      this.#put(read, kept, avoided)
    })
  }

  async #parse(
    path: string,
    then: (read: ListRead, avoided: string) => void | Promise<void>,
  ): Promise<void> {
    const { format, column, max_entries, widest } = this.settings
    const protectedNetworks = this.#avoided()
    const options = { format, column, max_entries, widest, protectedNetworks }
    const read = await this.#parts.parse({ path, options }, this.#parts.signal)
    await then(read, protectedNetworks.join())
  }

  #put(read: ListRead, kept: Kept, avoided: string): void {
    const { now, log, changed } = this.#parts
    const { name } = this.settings
    if (!this.#inForce) this.#since = now()
    this.#inForce = { read, kept, avoided }
    this.#problem = undefined
    log.info({ list: name, entries: read.entries, left: read.left }, 'a list is in force')
    changed(name)
  }

  /** What goes on being wrong in the same way is not warned of again. */
  #fail(error: unknown): Problem {
    const problem = toProblem(error)
    const { log, signal } = this.#parts
    const level = problem.code === this.#problem?.code || signal.aborted ? 'debug' : 'warn'
    const kept = this.#inForce !== undefined
    log[level]({ list: this.settings.name, problem, kept }, 'a list could not be taken')
    this.#problem = problem
    return problem
  }

  #avoided(): string[] {
    return this.#parts.protectedNetworks().map(({ text }) => text)
  }
}

function refuseShrunk(entries: number, before: number, limit: number): void {
  const lost = 1 - entries / before
  if (before < smallList || limit >= 1 || lost < limit) return
  throw new Problem(
    'invalid_input',
    `the list shrank from ${before} to ${entries} entries: the former copy stays in force`,
    { remedy: 'if that is right, set shrink_limit of this list to 1 until it was taken' },
  )
}
