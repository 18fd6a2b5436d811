/** What people said, at hand for every judgement: read at the start and again whenever somebody says something. */
import { type Address, maybeAddress, overlaps } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { signatureOf } from '../decide/case.ts'
import type { Facts } from '../decide/facts.ts'
import { type Ignored, listIgnored, listSheltered } from '../store/said.ts'
import type { Reader, Writer } from '../store/store.ts'

export type Said = {
  /** The same array until somebody says something. */
  sheltered(): Facts['sheltered']
  ignored(alert: Alert, now: number): Facts['ignored']
  /** After every change, once it is on the disk. */
  refresh(db: Reader | Writer, now: number): Promise<void>
}

type Entry = Ignored & { network: Address | undefined }

export function openSaid(): Said {
  let sheltered: Facts['sheltered'] = []
  let entries: Entry[] = []
  return {
    sheltered: () => sheltered,
    ignored: (alert, now) => {
      if (entries.length === 0) return undefined
      const attacker = maybeAddress(alert.attacker ?? '')
      const found = entries.find((entry) => entry.until > now && means(entry, alert, attacker))
      return found && { until: found.until, actor: found.actor, reason: found.reason }
    },
    refresh: async (db, now) => {
      const ignored = await listIgnored(db, now)
      sheltered = (await listSheltered(db)).map(({ address, why }) => ({ address, why }))
      entries = ignored.map((entry) => ({ ...entry, network: maybeAddress(entry.target ?? '') }))
    },
  }
}

/** Both of what an entry names have to be so. */
function means(entry: Entry, alert: Alert, attacker: Address | undefined): boolean {
  if (entry.signature !== null && entry.signature !== signatureOf(alert)) return false
  if (entry.target === null) return entry.signature !== null
  return attacker !== undefined && entry.network !== undefined && overlaps(entry.network, attacker)
}
