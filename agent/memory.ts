/**
 * What a node must not forget: what it enforces, where it stands in each sequence, and what time it was. A log of
 * what was accepted, written before the kernel is touched, so that a restart never forgets what the kernel holds.
 */
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { DecisionId, Direction } from '#contract/action.ts'
import { maybeAddress } from '#contract/address.ts'
import { Audience, type Position } from '#contract/audience.ts'
import type { ClockMark } from './clock.ts'
import { makeFolder, readState, writeState } from './state.ts'
import type { Claim } from './wished.ts'

/** A position and the signed statement that brought the node there, which proves it to the service. */
export type Standing = Position & { statement: string }

/** One step, taken wholly or not at all: one line. */
export type Step = {
  clock: ClockMark
  standings?: readonly (readonly [audience: string, standing: Standing])[]
  put?: readonly Claim[]
  drop?: readonly Dropped[]
  /** The service has every answer to the steps before this one. */
  told?: true
}
export type Dropped = readonly [audience: string, decision: string]

export type Remembered = {
  clock: ClockMark | undefined
  standings: Map<string, Standing>
  claims: Claim[]
  /** What is enforced no longer, of which the service may not have heard. */
  dropped: Dropped[]
  /** A line within the file could not be read: the claims hold, but every position has to be asked for anew. */
  damaged: boolean
}

const Row = z.tuple([Audience, DecisionId, z.string(), Direction, z.number()])
const Line = z.strictObject({
  clock: z.strictObject({ at: z.number(), wall: z.number(), uptime: z.number(), boot: z.string() }),
  standings: z
    .array(
      z.tuple([
        Audience,
        z.strictObject({ epoch: z.int(), seq: z.int(), hash: z.string(), statement: z.string() }),
      ]),
    )
    .optional(),
  put: z.array(Row).optional(),
  drop: z.array(z.tuple([Audience, DecisionId])).optional(),
  told: z.literal(true).optional(),
})
type Line = z.infer<typeof Line>

/** Rewritten when what was appended is more than what it holds, but not for less than this. */
const leastRewrite = 1024 * 1024

export class Memory {
  readonly #path: string
  #file: number | undefined
  #base = 0
  #appended = 0

  constructor(folder: string) {
    makeFolder(folder)
    this.#path = join(folder, 'memory.jsonl')
  }

  /** Reads the log. What a crash tore at its end is cut off, since the step it began was not taken. */
  load(): Remembered {
    const text = readState(this.#path) ?? ''
    const whole = text.lastIndexOf('\n') + 1
    if (whole < text.length) truncateSync(this.#path, Buffer.byteLength(text.slice(0, whole)))
    this.#base = whole
    return replay(text.slice(0, whole))
  }

  /**
   * Not synced to the disk: a crash of the agent loses nothing, and a crash of the machine empties its kernel too;
   * the stream then goes on from the older position. Throws what the file system says.
   */
  append(step: Step): void {
    this.#file ??= openSync(this.#path, 'a', 0o600)
    const line = printStep(step)
    // All of it or an error: a disk that is nearly full takes a part without a word.
    writeFileSync(this.#file, line)
    this.#appended += line.length
  }

  /** Whether the log has grown enough to be worth rewriting. */
  get grown(): boolean {
    return this.#appended > Math.max(leastRewrite, this.#base)
  }

  /** The log as one state. Throws what the file system says; the old log then stays. */
  rewrite(
    clock: ClockMark,
    standings: Iterable<readonly [string, Standing]>,
    claims: Iterable<Claim>,
    dropped: readonly Dropped[] = [],
  ): void {
    const size = { written: 0 }
    const pieces = printWhole(clock, standings, claims, dropped)
    writeState(this.#path, counted(pieces, size))
    this.close()
    this.#base = size.written
    this.#appended = 0
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

function replay(text: string): Remembered {
  const claims = new Map<string, Claim>()
  const dropped = new Map<string, Dropped>()
  const remembered: Remembered = {
    clock: undefined,
    standings: new Map(),
    claims: [],
    dropped: [],
    damaged: false,
  }
  for (const piece of text.split('\n')) {
    if (piece === '') continue
    const line = readLine(piece)
    if (!line) {
      remembered.damaged = true
      continue
    }
    remembered.clock = line.clock
    for (const [audience, standing] of line.standings ?? [])
      remembered.standings.set(audience, standing)
    if (line.told) dropped.clear()
    for (const pair of line.drop ?? []) {
      claims.delete(pair.join(' '))
      dropped.set(pair.join(' '), pair)
    }
    for (const row of line.put ?? []) claims.set(`${row[0]} ${row[1]}`, fromRow(row))
  }
  if (remembered.damaged) remembered.standings.clear()
  remembered.claims = [...claims.values()]
  remembered.dropped = [...dropped].flatMap(([key, pair]) => (claims.has(key) ? [] : [pair]))
  return remembered
}

function readLine(piece: string): Line | undefined {
  try {
    const line = Line.parse(JSON.parse(piece))
    const sound = (line.put ?? []).every(([, , target]) => maybeAddress(target)?.text === target)
    return sound ? line : undefined
  } catch {
    return undefined
  }
}

function printStep({ put, ...step }: Step): string {
  return `${JSON.stringify({ ...step, put: put?.map(toRow) })}\n`
}

const claimsInLine = 1_000

/** Positions come last: a rewrite that was torn (which rename prevents) would not claim more than it holds. */
function* printWhole(
  clock: ClockMark,
  standings: Iterable<readonly [string, Standing]>,
  claims: Iterable<Claim>,
  drop: readonly Dropped[],
): Generator<string> {
  if (drop.length > 0) yield printStep({ clock, drop })
  let put: Claim[] = []
  for (const claim of claims) {
    put.push(claim)
    if (put.length < claimsInLine) continue
    yield printStep({ clock, put })
    put = []
  }
  yield printStep({ clock, put, standings: [...standings] })
}

function* counted(pieces: Iterable<string>, size: { written: number }): Generator<string> {
  for (const piece of pieces) {
    size.written += piece.length
    yield piece
  }
}

function toRow(claim: Claim): z.infer<typeof Row> {
  return [claim.audience, claim.decision, claim.target, claim.direction, claim.end]
}

function fromRow([audience, decision, target, direction, end]: z.infer<typeof Row>): Claim {
  return { audience, decision, target, direction, end }
}
