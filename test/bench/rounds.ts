/** What is compared is measured in turn, round by round: a machine that grows slower does so for all of it. */
import { firstClean } from './blocks.ts'
import { percentile } from './figure.ts'
import type { Receiver } from './receivers.ts'

export const clean = { first: firstClean, sources: 16_384 }
export const floodMs = 25

/** So many of the first attackers are blocked at `after`. */
export type Course = { before: Receiver; after: Receiver; bare: Receiver; blocked: number }
/** `echoes` are those of one receiver in one round. */
export type Effort = { rounds: number; echoes: number }

/**
 * Packets a second: what is let through before the blocks and after, what of blocked sources is dropped, and what is
 * let through where nothing filters; and the median echo before and after in µs.
 */
export type Round = Record<Rate | 'echoBefore' | 'echoAfter', number>
export type Rate = 'before' | 'after' | 'dropped' | 'bare'

export async function inTurns(course: Course, { rounds, echoes }: Effort): Promise<Round[]> {
  const { before, after, bare, blocked } = course
  const dirty = { first: 0, sources: Math.min(blocked, clean.sources) }
  const turns: [keyof Round, () => Promise<number>][] = [
    ['echoBefore', () => echo(before, echoes)],
    ['echoAfter', () => echo(after, echoes)],
    ['before', async () => (await flood(before, clean)).through],
    ['after', async () => (await flood(after, clean)).through],
    ['dropped', async () => (blocked > 0 ? mustDrop(after, dirty) : 0)],
    ['bare', async () => (await flood(bare, clean)).through],
  ]
  const all: Round[] = []
  for (let number = 0; number < rounds; number++) {
    const round = { echoBefore: 0, echoAfter: 0, before: 0, after: 0, dropped: 0, bare: 0 }
    // There and back, so that what comes second is not always the same.
    for (const [name, measure] of number % 2 === 0 ? turns : turns.toReversed())
      round[name] = await measure()
    all.push(round)
  }
  return all
}

async function echo({ link }: Receiver, times: number): Promise<number> {
  return percentile(await link.roundTrips(clean.first, times), 0.5)
}

type Sources = { first: number; sources: number }

async function mustDrop(receiver: Receiver, from: Sources): Promise<number> {
  const { through, stopped } = await flood(receiver, from)
  if (through > 0) throw new Error(`${through} packets a second of blocked sources came through`)
  return stopped
}

/** Packets a second. */
async function flood({ link, delivered }: Receiver, { first, sources }: Sources) {
  const before = delivered()
  const { sent, rate } = await link.flood(first, sources, floodMs)
  const through = (delivered() - before) / sent
  return { through: rate * through, stopped: rate * (1 - through) }
}
