/** A line of the journal as it is put into words, and the words that all events share. Pure. */
import { printDuration } from '#contract/duration.ts'
import { EpochMs, printTime } from '#contract/time.ts'
import type { Decision } from '../store/decisions.ts'

export type Told = {
  at: number
  actor: string
  action: string
  subject: string
  before: Fields
  after: Fields
  /** As it stands when the notice is written, which may be later. */
  decision: Decision | undefined
}
/** What a side of a journal line holds; a line whose side is no object has it under `value`. */
export type Fields = Readonly<Record<string, unknown>>

export type Words = { title: string; lines: readonly string[] }

export function textIn(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Epoch milliseconds. */
export function timeIn(fields: Fields, name: string): number | undefined {
  const value = EpochMs.safeParse(fields[name])
  return value.success ? value.data : undefined
}

export function textsIn(fields: Fields, name: string): string[] {
  const value = fields[name]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** `2026-03-01 04:00:00 UTC` */
export function moment(ms: number): string {
  return `${printTime(ms).slice(0, 19).replace('T', ' ')} UTC`
}

export function lengthOf(from: number, to: number): string {
  return printDuration(Math.max(0, to - from))
}

/** Who did it, for people who do not know how the journal writes it. */
export function whoOf(actor: string): string {
  const [kind = '', ...rest] = actor.split('/')
  const name = rest.join('/')
  if (name === '') return ['policy', 'clock', 'service'].includes(kind) ? `the ${kind}` : actor
  return kind === 'node' ? `node ${name}` : name
}

export function audienceOf(audience: readonly string[]): string {
  if (audience.length === 0) return 'on no node'
  if (audience.includes('all')) return 'on all nodes'
  return `on ${audience.map((name) => name.replace('/', ' ')).join(', ')}`
}

/** For what a shell reads: names here have no quotes in them, and texts never come into a command. */
export function command(words: string): string {
  return `cordon ${words}`
}
