/** Whether the service can work: found out by writing, at most once a second however many ask. */

import { type Problem, toProblem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import { probe } from '../store/probe.ts'

/** A balancer asks more rarely, and anybody may ask. */
const keptMs = 1_000

/**
 * What keeps the service from its work; undefined when nothing does. A detector that cannot be asked does not: a balancer
 * that took the service away for it would cut off all others, and the nodes.
 */
export function openReadiness(flow: Flow): () => Promise<Problem | undefined> {
  let known: { at: number; problem: Promise<Problem | undefined> } | undefined
  return () => {
    const now = flow.now()
    if (!known || now < known.at || now - known.at >= keptMs)
      known = { at: now, problem: find(flow, now) }
    return known.problem
  }
}

async function find(flow: Flow, now: number): Promise<Problem | undefined> {
  try {
    await flow.store.write((tx) => probe(tx, now))
  } catch (error) {
    flow.log.error({ err: error }, 'the store cannot be written')
    return toProblem(error)
  }
  return undefined
}
