/** Which audiences need their whole state, and fetching those states one after the other. */
import type { Load } from './accept.ts'

export type CatchUpOn = {
  fetch(audience: string, lostPast: boolean): Promise<Load>
  load(load: Load): Promise<void>
  caughtUp(audience: string, load: Load): void
}

export class CatchUp {
  readonly #on: CatchUpOn
  readonly #needed = new Map<string, { lostPast: boolean; done: boolean }>()
  #running: Promise<void> | undefined

  constructor(on: CatchUpOn) {
    this.#on = on
  }

  /** `lostPast`: the service is to be shown first what it signed last. */
  need(audience: string, lostPast: boolean): void {
    const done = false
    this.#needed.set(audience, { lostPast: lostPast || this.#lostPast(audience), done })
  }

  /** An audience is followed no longer. */
  forget(audience: string): void {
    this.#needed.delete(audience)
  }

  needs(audience: string): boolean {
    return this.#needed.has(audience)
  }

  /**
   * Until every audience has its state. They count as needed until all are done, because the stream leaves out
   * what came meanwhile and goes on only from then. Throws what fetching throws.
   */
  run(): Promise<void> {
    this.#running ??= this.#all().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #all(): Promise<void> {
    for (let next = this.#next(); next; next = this.#next()) {
      const [audience, state] = next
      const load = await this.#on.fetch(audience, state.lostPast)
      if (this.#needed.get(audience) !== state) continue
      await this.#on.load(load)
      state.done = true
      this.#on.caughtUp(audience, load)
    }
    this.#needed.clear()
  }

  #next(): [audience: string, state: { lostPast: boolean; done: boolean }] | undefined {
    return [...this.#needed].find(([, { done }]) => !done)
  }

  #lostPast(audience: string): boolean {
    return this.#needed.get(audience)?.lostPast ?? false
  }
}
