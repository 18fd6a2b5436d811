/** The result on standard output: text for a person, or with `--json` the value itself. */
import { toProblem } from '#contract/problem.ts'
import type { Asked, Io } from './command.ts'

export function answer(asked: Asked, io: Io, value: unknown, text: () => string): void {
  io.out(asked.json ? `${JSON.stringify(value)}\n` : text())
}

/** A `--limit` as a query; the service checks it. */
export function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/** What the act gives, or the Problem that it throws. */
export async function attempt<Value>(act: () => Promise<Value> | Value) {
  try {
    return { value: await act() }
  } catch (error) {
    return { problem: toProblem(error) }
  }
}
