/** Notices changes of the table by listing it now and then, where the kernel's notifications cannot be heard. */
import type { Nft } from './nft.ts'
import { tableName } from './ruleset.ts'
import type { Watcher } from './watch.ts'

const pollMs = 5_000

/** Sees table, chains, rules and sets; not elements, and not who it was. */
export function watchListing(nft: Nft, changed: (what: string) => void, everyMs = pollMs): Watcher {
  let stopped = false
  let known: string | undefined
  const look = async (first: boolean) => {
    const now = (await nft.list('-t', 'list', 'table', 'inet', tableName)) ?? ''
    if (!first && now !== known && !stopped)
      changed(now === '' ? 'the table was deleted' : 'the table, a chain or a rule was changed')
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
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
