/** The networks of the countries that postures name: fetched by digest, checked, and read again from the disk. */
import { setImmediate as breath } from 'node:timers/promises'
import type { Address } from '#contract/address.ts'
import { readFeedChunk } from '#contract/feed.ts'
import type { CountryNetworks, Posture } from '#contract/posture.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Service } from './connect.ts'
import type { PostureMemory } from './posture-memory.ts'

/** Throws `snapshot_incomplete`, and what the connection and the disk throw. */
export async function fetchNetworks(
  { countries }: Posture,
  memory: PostureMemory,
  service: Pick<Service, 'text'>,
): Promise<void> {
  for (const { country, entries, chunks } of countries) {
    let [count, last]: [number, Address | undefined] = [0, undefined]
    for (const digest of chunks) {
      const held = memory.chunk(digest)
      const text = held ?? (await service.text(`/v1/posture/chunks/${digest}`).catch(absent))
      for (const network of readFeedChunk(text, digest, last)) {
        last = network
        count++
      }
      if (held === undefined) memory.keepChunk(digest, text)
      await breath()
    }
    if (count !== entries) throw incomplete(`${country} has ${count} of ${entries} networks`)
  }
}

/** Throws `snapshot_incomplete` while it is taken. */
export function* networksOf(
  { country, chunks }: CountryNetworks,
  memory: PostureMemory,
): Generator<Address> {
  let last: Address | undefined
  for (const digest of chunks) {
    const text = memory.chunk(digest)
    if (text === undefined) throw incomplete(`the networks of ${country} are damaged on the disk`)
    for (const network of readFeedChunk(text, digest, last)) {
      yield network
      last = network
    }
  }
}

function absent(error: unknown): never {
  const problem = toProblem(error)
  throw problem.code === 'not_found' ? incomplete('a chunk is not there', problem) : problem
}

function incomplete(message: string, cause?: unknown): Problem {
  return new Problem('snapshot_incomplete', `the posture is not complete: ${message}`, {
    remedy: 'the node asks again by itself; what it enforces stays',
    cause,
  })
}
