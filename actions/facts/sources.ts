/** All sources of facts as the flow asks them: what is known at once, and what has to be waited for. */
import type { Address } from '#contract/address.ts'
import type { IntelligenceFact, Outside } from '../decide/outside.ts'
import type { SourceState } from './source.ts'

export type FactSources = {
  /** From memory, within microseconds. */
  of(attacker: Address): Omit<Outside, 'intelligence'>
  /** Never rejects and never takes longer than the budget; who did not answer by then is silent. */
  ask(
    attacker: Address,
    providers: readonly string[],
    budgetMs: number,
  ): Promise<Readonly<Record<string, IntelligenceFact>>>
  /** Looks for files that were replaced; for a clock. Never rejects. */
  look(): Promise<void>
  /** What people see of each. */
  states(): SourceState[]
}
