/** The networks of the countries that postures name: fetched into the memory, and read from there. */
import type { Address } from '#contract/address.ts'
import type { CountryNetworks, Posture } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import type { Service } from './connect.ts'
import { fetchNetworks, readNetworks } from './networks.ts'
import type { PostureMemory } from './posture-memory.ts'

/** Throws `snapshot_incomplete`, and what the connection and the disk throw. */
export async function fetchCountries(
  { countries }: Posture,
  memory: PostureMemory,
  service: Pick<Service, 'text'>,
): Promise<void> {
  for (const named of countries)
    await fetchNetworks(named, {
      folder: memory.chunks,
      ask: (digest) => service.text(`/v1/posture/chunks/${digest}`),
      incomplete: (message, cause) => incomplete(`${named.country}: ${message}`, cause),
    })
}

/** Throws `snapshot_incomplete` while it is taken. */
export function* networksOf(
  { country, chunks }: CountryNetworks,
  memory: PostureMemory,
): Generator<Address> {
  try {
    yield* readNetworks(chunks, memory.chunks)
  } catch (error) {
    throw incomplete(`the networks of ${country} are damaged on the disk`, error)
  }
}

function incomplete(message: string, cause?: unknown): Problem {
  return new Problem('snapshot_incomplete', `the posture is not complete: ${message}`, {
    remedy: 'the node asks again by itself; what it enforces stays',
    cause,
  })
}
