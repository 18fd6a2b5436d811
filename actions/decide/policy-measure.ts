/** What a rule says is to be done to the traffic, and for how long it goes on: checked against the rest of the rule. */
import type { Problem } from '#contract/problem.ts'
import { type Measure, plainBlock } from './measure.ts'
import type { RuleEntry } from './policy-file.ts'

/** A block that a node stopped something by within `whileHittingMs` is renewed, up to so long after it was first ordered. */
export type Renewal = { readonly whileHittingMs: number; readonly atMostMs: number }

export type Refuse = (key: string, message: string, remedy: string) => Problem

/** A rate makes a limit of it; a rule that asks says by its rate that it asks for one. */
export function readMeasure({ verdict, rate, response }: RuleEntry, refuse: Refuse): Measure {
  if (verdict === 'limit' && !rate)
    throw refuse(
      'rate',
      'a limit without a rate',
      'write rate: { packets: 20, per: second, burst: 40 }',
    )
  if (verdict === 'block' && rate)
    throw refuse('rate', 'a block lets nothing pass', 'use verdict: limit, or take the rate out')
  if (rate && response)
    throw refuse('response', 'what a limit drops is never answered', 'take response out')
  if (rate) return { action: 'limit', rate }
  return response === 'reject' ? { action: 'block', response } : plainBlock
}

export function readRenewal(
  renew: RuleEntry['renew'],
  { renew: own }: RuleEntry,
  lengthMs: number,
  refuse: Refuse,
): Renewal | undefined {
  if (renew === undefined) return undefined
  if (renew.at_most > lengthMs)
    return { whileHittingMs: renew.while_hitting, atMostMs: renew.at_most }
  // The usual one is for those rules that it can do something for.
  if (own === undefined) return undefined
  throw refuse('renew', 'the block is as long as it may get', 'raise at_most or lower for')
}
