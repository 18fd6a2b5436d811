/** Bytes of a growing file to whole lines; what is not finished yet stays for the next time. */
import { Problem } from '#contract/problem.ts'

/** A longer line becomes one Problem and is passed over. */
export const longestLine = 1_048_576
const newline = 10
const nul = 0

export type CutState = {
  /** The bytes begin inside a line that was given up as too long. */
  skipping: boolean
  /** Nothing will be added any more: an unfinished last line is all there will be of it. */
  final: boolean
  /** The file goes on behind these bytes. */
  more: boolean
}
export type Cut = { records: unknown[]; consumed: number; skipping: boolean }

/**
 * At most `most` lines. A block of NUL bytes (a log truncated under its writer) ends a line as a line end does; at
 * the very end of the file it stays, for some network file systems show NUL where text is about to appear.
 */
export function cutLines(bytes: Buffer, state: CutState, most: number): Cut {
  const records: unknown[] = []
  let at = 0
  let { skipping } = state
  let nextNul = bytes.indexOf(nul)
  while (at < bytes.length && records.length < most) {
    if (nextNul >= 0 && nextNul < at) nextNul = bytes.indexOf(nul, at)
    const nextLine = bytes.indexOf(newline, at)
    const byNul = nextNul >= 0 && (nextLine < 0 || nextNul < nextLine)
    const stop = byNul ? nextNul : nextLine
    const after = byNul ? endOfNuls(bytes, nextNul) : nextLine + 1
    const undecided = stop < 0 || (byNul && after === bytes.length && !state.more)
    if (undecided && !state.final) break
    const end = stop < 0 ? bytes.length : stop
    if (!skipping) push(records, bytes.subarray(at, end))
    skipping = false
    at = stop < 0 ? bytes.length : after
  }
  const rest = bytes.length - at
  if (skipping && records.length < most && !state.final)
    return { records, consumed: bytes.length, skipping }
  if (rest <= longestLine || records.length >= most) return { records, consumed: at, skipping }
  return { records: [...records, tooLong()], consumed: bytes.length, skipping: true }
}

function push(records: unknown[], line: Buffer): void {
  if (line.length > longestLine) records.push(tooLong())
  else {
    const text = line.toString('utf8').replace(/\r$/, '')
    if (text.trim() !== '') records.push(text)
  }
}

function endOfNuls(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] === nul) at++
  return at
}

function tooLong(): Problem {
  return new Problem('invalid_input', 'a line is longer than 1 MiB and was passed over', {
    remedy: 'look at what writes this file: no alert is that long',
  })
}
