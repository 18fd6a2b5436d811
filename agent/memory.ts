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
import { Receipt } from '#contract/receipt.ts'
import type { ClockMark } from './clock.ts'
import type { Answer } from './differences.ts'
import { Scoped } from './scope.ts'
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
  /** Refusals, of which the service may not have heard. What is refused is not enforced either. */
  refused?: readonly Answer[]
  /** The service has every answer to the steps before this one. */
  told?: true
  /** All that the kernel refuses alone, so that what it holds is known at the next start. */
  left_out?: readonly Dropped[]
}
export type Dropped = readonly [audience: string, decision: string]

export type Remembered = {
  clock: ClockMark | undefined
  standings: Map<string, Standing>
  claims: Claim[]
  /** What is enforced no longer, of which the service may not have heard. */
  dropped: Dropped[]
  /** What was refused, of which the service may not have heard. */
  refused: Answer[]
  /** What the kernel refused alone. */
  left_out: readonly Dropped[]
  /** A line within the file could not be read: the claims hold, but every position has to be asked for anew. */
  damaged: boolean
}

/** The last is what an order is beyond a plain block. Versions that knew no others wrote five, which are read as such. */
const Row = z.tuple([Audience, DecisionId, z.string(), Direction, z.number(), Scoped.optional()])
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
  refused: z.array(Receipt.omit({ at: true })).optional(),
  told: z.literal(true).optional(),
  left_out: z.array(z.tuple([Audience, DecisionId])).optional(),
})
type Line = z.infer<typeof Line>

/** Rewritten when what was appended is more than what it holds, but not for less than this. */
const leastRewrite = 1024 * 1024

export class Memory {
  readonly #path: string
  #file: number | undefined
  #base = 0
  #appended = 0
  #closed = false

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

  /**
   * The log as one state. Throws what the file system says; the old log then stays, or the new one is there already:
   * either is whole and may be appended to.
   */
  rewrite(
    clock: ClockMark,
    standings: Iterable<readonly [string, Standing]>,
    claims: Iterable<Claim>,
    dropped: readonly Dropped[] = [],
    refused: readonly Answer[] = [],
    leftOut: readonly Dropped[] = [],
  ): void {
    const size = { written: 0 }
    const pieces = printWhole(clock, standings, claims, dropped, refused, leftOut)
    try {
      writeState(this.#path, counted(pieces, size))
    } finally {
      this.#release()
    }
    this.#base = size.written
    this.#appended = 0
  }

  /** Nothing more is to be written. */
  close(): void {
    this.#closed = true
    this.#release()
  }

  get closed(): boolean {
    return this.#closed
  }

  #release(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

function replay(text: string): Remembered {
  const claims = new Map<string, Claim>()
  // Of each decision only the last word.
  const untold = new Map<string, Dropped | Answer>()
  const remembered: Remembered = {
    clock: undefined,
    standings: new Map(),
    claims: [],
    dropped: [],
    refused: [],
    left_out: [],
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
    remembered.left_out = line.left_out ?? remembered.left_out
    for (const [audience, standing] of line.standings ?? [])
      remembered.standings.set(audience, standing)
    if (line.told) untold.clear()
    for (const one of [...(line.drop ?? []), ...(line.refused ?? [])]) {
      claims.delete(nameOf(one))
      untold.set(nameOf(one), one)
    }
    for (const row of line.put ?? []) claims.set(`${row[0]} ${row[1]}`, fromRow(row))
  }
  if (remembered.damaged) remembered.standings.clear()
  remembered.claims = [...claims.values()]
  const { drop, refused } = apart(
    [...untold].flatMap(([key, one]) => (claims.has(key) ? [] : [one])),
  )
  return { ...remembered, dropped: drop, refused }
}

/** Whose claim or answer it is: a decision is known by its audience too. */
export function nameOf(one: Dropped | Answer): string {
  return 'status' in one ? `${one.audience} ${one.decision}` : one.join(' ')
}

/** What was let go of, and what was refused. */
export function apart(untold: Iterable<Dropped | Answer>): { drop: Dropped[]; refused: Answer[] } {
  const drop: Dropped[] = []
  const refused: Answer[] = []
  for (const one of untold)
    if ('status' in one) refused.push(one)
    else drop.push(one)
  return { drop, refused }
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
  refused: readonly Answer[],
  left_out: readonly Dropped[],
): Generator<string> {
  if (drop.length > 0) yield printStep({ clock, drop })
  if (refused.length > 0) yield printStep({ clock, refused })
  let put: Claim[] = []
  for (const claim of claims) {
    put.push(claim)
    if (put.length < claimsInLine) continue
    yield printStep({ clock, put })
    put = []
  }
  if (left_out.length > 0) yield printStep({ clock, left_out })
  yield printStep({ clock, put, standings: [...standings] })
}

function* counted(pieces: Iterable<string>, size: { written: number }): Generator<string> {
  for (const piece of pieces) {
    size.written += piece.length
    yield piece
  }
}

function toRow(claim: Claim): z.infer<typeof Row> {
  const { audience, decision, target, direction, end, scoped } = claim
  const plain = [audience, decision, target, direction, end] as const
  return scoped ? [...plain, scoped] : [...plain]
}

function fromRow([audience, decision, target, direction, end, scoped]: z.infer<typeof Row>): Claim {
  const plain = { audience, decision, target, direction, end }
  return scoped ? { ...plain, scoped } : plain
}
