/**
 * Loaded into the service before it starts, as a stopwatch beside it: tells when it hands an order to be signed and
 * when the signature is there. Nothing of the service is changed.
 */
import { writeSync } from 'node:fs'
import jwt from 'jsonwebtoken'

/** Lines of JSON on file descriptor 3; times in monotonic ns. */
export type Signed = { targets: string[]; judged: number; signed: number }

const told = 3
const { sign } = jwt

Object.assign(jwt, {
  sign: (...words: unknown[]) => {
    const judged = now()
    const envelope: unknown = Reflect.apply(sign, jwt, words)
    const targets = targetsOf(words[0])
    if (targets.length > 0)
      writeSync(told, `${JSON.stringify({ targets, judged, signed: now() } satisfies Signed)}\n`)
    return envelope
  },
})

/** Other statements, such as heads, order nothing. */
function targetsOf(claims: unknown): string[] {
  if (typeof claims !== 'object' || claims === null || !('actions' in claims)) return []
  const { actions } = claims
  if (!Array.isArray(actions)) return []
  return actions.map((action: unknown) =>
    typeof action === 'object' && action !== null && 'target' in action
      ? String(action.target)
      : '',
  )
}

function now(): number {
  return Number(process.hrtime.bigint())
}
