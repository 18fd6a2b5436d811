/** Keeps what this node protects current. */
import { type Protected, protectedHere } from './guard.ts'
import type { AgentSettings } from './settings.ts'
import { type Places, readSurroundings } from './surroundings.ts'

export type LookoutOn = {
  settings: Pick<AgentSettings, 'admin_networks' | 'protect_file'>
  places: Places
  /** Where the service was met. */
  service(): readonly string[]
  interfaces?: () => string[]
}

export class Lookout {
  readonly #on: LookoutOn
  #here: readonly Protected[] = []

  constructor(on: LookoutOn) {
    this.#on = on
  }

  get here(): readonly Protected[] {
    return this.#here
  }

  /**
   * What came and went since the last look, for a person to read; empty when nothing did. Throws
   * `setting_invalid` for a protect file that cannot be read and for more than the firewall holds: the last good list
   * then stays.
   */
  look(): string {
    const { settings, places, service, interfaces } = this.#on
    const surroundings = readSurroundings(places, service(), settings.protect_file, interfaces)
    const before = this.#here
    this.#here = protectedHere(surroundings, settings)
    const came = missing(before, this.#here).map(({ address, why }) => `+${address.text} (${why})`)
    const went = missing(this.#here, before).map(({ address }) => `-${address.text}`)
    return [...came, ...went].join(', ')
  }
}

function missing(from: readonly Protected[], all: readonly Protected[]): Protected[] {
  const known = new Set(from.map(({ address }) => address.text))
  return all.filter(({ address }) => !known.has(address.text))
}
