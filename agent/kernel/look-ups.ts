/** Which sets the rules ask about a packet: only those that may hold something, since an empty one costs clean traffic as much. */
import { isAlwaysAsked } from './plain-looks.ts'
import { lookUpRules } from './ruleset.ts'
import { type AnySet, allSets, blockSets } from './sets.ts'

/** Which are asked only while they hold something. */
const every: readonly AnySet[] = allSets
  .map(({ name }) => name)
  .filter((set) => !isAlwaysAsked(set))

export type LookUps = {
  /** The rules that ask every set have been written. */
  wrote(): void
  /** The sets of blocks are about to be emptied; what `fill` says from now on is all that they will hold. */
  empty(): void
  /** Nothing is known of what the sets hold. */
  forget(): void
  /** Resolves when the rules ask these, which are about to be filled. Throws as `run` does. */
  fill(sets: Iterable<AnySet>): Promise<void>
  /** What these held is gone. */
  emptied(sets: Iterable<AnySet>): void
  /** Takes the rules out that ask what holds nothing. Throws as `run` does. */
  spare(): Promise<void>
}

/** `turn` does one thing at a time; `run` hands a script to the kernel. */
export function lookUps(
  turn: (act: () => Promise<void>) => Promise<void>,
  run: (script: string) => Promise<void>,
): LookUps {
  /** Of a table that was found anything may be there. */
  let filled = new Set(every)
  /** None when it is not known what the kernel has. */
  let asked: ReadonlySet<AnySet> = new Set()
  const ask = async (sets: ReadonlySet<AnySet>) => {
    asked = new Set()
    await run(lookUpRules(sets))
    asked = sets
  }
  const missing = () => [...filled].some((set) => !asked.has(set))
  return {
    wrote() {
      asked = new Set(every)
    },
    empty() {
      const blocks = new Set<AnySet>(blockSets.map(({ name }) => name))
      filled = new Set([...filled].filter((set) => !blocks.has(set)))
    },
    forget() {
      filled = new Set(every)
    },
    async fill(sets) {
      for (const set of sets) if (!isAlwaysAsked(set)) filled.add(set)
      if (missing())
        await turn(async () => {
          if (missing()) await ask(new Set([...asked, ...filled]))
        })
    },
    emptied(sets) {
      for (const set of sets) filled.delete(set)
    },
    spare: () =>
      turn(async () => {
        if (missing() || asked.size > filled.size) await ask(new Set(filled))
      }),
  }
}
