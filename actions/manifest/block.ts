/** A block between two marks in a text of somebody else: found, put in, taken out; every other byte stays. Pure. */
import { Problem } from '#contract/problem.ts'
import type { FragmentEntry } from './manifest-file.ts'

type Comment = FragmentEntry['comment']

/** Texts are latin1 of the bytes, so that what is no UTF-8 comes back as it was. */
export type Found = {
  start: number
  /** Behind the line end of the last line. */
  end: number
  /** From mark to mark, with plain line ends: what a digest is made of. */
  text: string
}

/** `lead` is a line end that had to be put before the block. */
type Placed = { text: string; lead: string }

/** Throws `conflict` for a mark without its other one, and for a block that is there twice. */
export function findBlock(text: string, comment: Comment, mark: string): Found | undefined {
  const [begin, end] = marksOf(comment, mark)
  const from = indexOfMark(text, begin)
  const to = indexOfMark(text, end)
  if (from < 0 && to < 0) return undefined
  const twice = indexOfMark(text, begin, from + 1) >= 0 || indexOfMark(text, end, to + 1) >= 0
  if (from < 0 || to < from || twice) throw broken(begin, end)
  const last = to + end.length
  const lineEnd = /^\r?\n/.exec(text.slice(last))?.[0] ?? ''
  return {
    start: lineStart(text, from),
    end: last + lineEnd.length,
    text: plainEnds(text.slice(from, last)),
  }
}

/** From mark to mark, with plain line ends. */
export function printBlock(comment: Comment, mark: string, content: Buffer): string {
  const [begin, end] = marksOf(comment, mark)
  const body = plainEnds(content.toString('latin1')).replace(/\n*$/, '')
  return body === '' ? `${begin}\n${end}` : `${begin}\n${body}\n${end}`
}

/** In the place of the one that is there, else before the last `before`, else at the end. Throws `conflict` without `before`. */
export function putBlock(
  text: string,
  found: Found | undefined,
  block: string,
  before: string | undefined,
): Placed {
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = `${block}\n`.replaceAll('\n', eol)
  if (found) return { text: text.slice(0, found.start) + lines + text.slice(found.end), lead: '' }
  const at = placeOf(text, before)
  const lead = at === 0 || text[at - 1] === '\n' ? '' : eol
  return { text: text.slice(0, at) + lead + lines + text.slice(at), lead }
}

/** The lead goes too where the block still stands at its place, or what followed it is gone. */
export function takeBlock(
  text: string,
  { start, end }: Found,
  lead: string,
  before: string | undefined,
): string {
  const [head, rest] = [text.slice(0, start), text.slice(end)]
  const inPlace = before === undefined ? rest === '' : rest.startsWith(bytes(before))
  return lead !== '' && inPlace && head.endsWith(lead)
    ? head.slice(0, -lead.length) + rest
    : head + rest
}

function placeOf(text: string, before: string | undefined): number {
  if (before === undefined) return text.length
  const at = text.lastIndexOf(bytes(before))
  if (at < 0)
    throw new Problem('conflict', `the file has no ${before}, before which a block belongs`, {
      remedy: 'look whether the file is whole; it is not touched',
    })
  return lineStart(text, at)
}

/** The start of the line where only blanks are before the place, else the place itself. */
function lineStart(text: string, at: number): number {
  const start = text.lastIndexOf('\n', at - 1) + 1
  return at > 0 && /^[ \t]*$/.test(text.slice(start, at)) ? start : at
}

/** A mark is a whole line but for blanks around it: `# cordon end: a b` is not the mark `# cordon end: a`. */
function indexOfMark(text: string, mark: string, from = 0): number {
  for (let at = text.indexOf(mark, from); at >= 0; at = text.indexOf(mark, at + 1))
    if (/^[ \t]*(\r?\n|$)/.test(text.slice(at + mark.length, at + mark.length + 1_000))) return at
  return -1
}

function marksOf(comment: Comment, mark: string): [begin: string, end: string] {
  const say = (word: string) =>
    bytes(comment === 'xml' ? `<!-- cordon ${word}: ${mark} -->` : `# cordon ${word}: ${mark}`)
  return [say('begin'), say('end')]
}

function plainEnds(text: string): string {
  return text.replaceAll('\r\n', '\n')
}

function bytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function broken(begin: string, end: string): Problem {
  return new Problem('conflict', `the marks "${begin}" and "${end}" are not there as one pair`, {
    remedy: 'put the missing mark back or take the other one out by hand; the file is not touched',
  })
}
