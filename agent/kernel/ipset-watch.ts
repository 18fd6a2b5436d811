/** Notices what others do to sets and chains by looking now and then: neither ipset nor iptables tells of it. */
import { toProblem } from '#contract/problem.ts'
import type { Ipset } from './ipset-program.ts'
import type { ScopedSets } from './ipset-scoped-sets.ts'
import { allIpsets } from './ipset-sets.ts'
import type { Tally } from './ipset-tally.ts'
import type { IptablesRules } from './iptables.ts'
import type { Turns } from './turns.ts'

const pollMs = 10_000

type WatchOn = {
  ipset: Ipset
  rules: IptablesRules
  tally: Tally
  scoped: Pick<ScopedSets, 'sets'>
  turn: Turns
  changed(what: string): void
  everyMs?: number | undefined
}

/** It shows that something was changed, not who it was. Returns the way to stop. */
export function watchIpsets({ turn, changed, everyMs = pollMs, ...on }: WatchOn): () => void {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const lookAgain = () => {
    turn(() => look(on))
      .catch((error: unknown) => `sets and chains cannot be listed: ${toProblem(error).message}`)
      .then((what) => {
        if (stopped) return
        if (what !== undefined) changed(what)
        timer = setTimeout(lookAgain, everyMs).unref()
      })
  }
  lookAgain()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

/** In a turn of its own, so that no change of ours is under way. */
async function look({
  ipset,
  rules,
  tally,
  scoped,
}: Pick<WatchOn, 'ipset' | 'rules' | 'tally' | 'scoped'>): Promise<string | undefined> {
  const there = await ipset.headers()
  const names = allIpsets.map(({ name }) => name).filter(isCounted)
  for (const name of [...names, ...scoped.sets]) {
    const header = there.get(name)
    if (!header) return `the set ${name} was deleted`
    const what = tally.see(name, header.entries)
    if (what !== undefined) return what
  }
  if (!(await rules.intact())) return 'a chain or a rule in iptables was changed'
  return undefined
}

/** The kernel fills the others by itself. */
function isCounted(name: string): boolean {
  return !name.startsWith('cordon_hits') && !name.startsWith('cordon_last')
}
