/** Notices changes of the table by listing it now and then, where the kernel's notifications cannot be heard. */
import type { Nft } from './nft.ts'
import { tableName } from './ruleset.ts'
import type { Watcher } from './watch.ts'

const pollMs = 5_000
const gone = 'the table was deleted'

/** Sees table, chains, rules and sets; not elements, and not who it was. */
export function watchListing(nft: Nft, changed: (what: string) => void, everyMs = pollMs): Watcher {
  let stopped = false
  let known: string | undefined
  let owns = 0
  const list = async () => (await nft.list('-t', 'list', 'table', 'inet', tableName)) ?? ''
  const look = async (first: boolean) => {
    const before = owns
    const now = await list()
    if (before !== owns) return
    if (!first && now !== known && !stopped)
      changed(now === '' ? gone : 'the table, a chain or a rule was changed')
    known = now
  }
  const lookAgain = (first: boolean) => {
    look(first)
      .catch((error: unknown) => changed(`the table cannot be listed: ${String(error)}`))
      .finally(() => {
        if (!stopped) timer = setTimeout(lookAgain, everyMs, false).unref()
      })
  }
  let timer: NodeJS.Timeout | undefined
  lookAgain(true)
  return {
    aside: (transaction) => transaction(),
    // What anybody else did to chains and rules since the last look goes unseen; that all is gone does not.
    async own(transaction) {
      owns++
      const result = await transaction()
      known = await list()
      owns++
      if (known === '' && !stopped) changed(gone)
      return result
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
