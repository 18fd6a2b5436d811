/**
 * What stands in for a table while it is made anew: the kernel shows its rules some milliseconds before what is in sets of
 * intervals, so that for so long nothing of these would be stopped. Pure.
 */
import { makeTable, removeTable } from './ruleset.ts'
import type { ScopedState } from './scoped.ts'
import { changeScoped, freshStanding } from './scoped-script.ts'
import { printSteps } from './script.ts'
import { setSpec } from './sets.ts'
import { neverSteps, type Step } from './transaction.ts'

const standIn = 'cordon_stand_in'

type Held = {
  readonly never: Parameters<typeof neverSteps>[0]
  readonly steps: readonly Step[]
  readonly scoped: ScopedState
  readonly now: number
}

/** To be run one after the other; none where nothing stands in intervals. Each element ends by itself, as in the table. */
export function printStandIn({ never, steps, scoped, now }: Held): string[] {
  const rare = steps.filter((step) => step.do === 'add' && setSpec(step.set).prefix === undefined)
  if (rare.length === 0 && scoped.sets.size === 0) return []
  return [
    removeStandIn() + makeTable(standIn) + printSteps(standIn, neverSteps(never)),
    printSteps(standIn, rare),
    ...changeScoped(standIn, freshStanding, scoped, now).scripts,
  ].filter((script) => script !== '')
}

/** No error where there is none. */
export function removeStandIn(): string {
  return removeTable(standIn)
}
