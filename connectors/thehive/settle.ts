/** What becomes of the alert once its question is answered, refused or asked anew. */
import { Problem } from '#contract/problem.ts'
import { type Change, type HiveAlert, hasTag, tags, tagsLike } from './alert.ts'
import type { TheHive } from './client.ts'
import { statusSays, type Verb } from './said.ts'
import type { Settings } from './settings.ts'

const closed = ['Closed', 'Imported']

/** Marks it, and closes what is open with the status for the answer, where TheHive has that status. */
export async function settle(
  hive: TheHive,
  settings: Settings,
  alert: HiveAlert,
  verb: Verb | undefined,
  stop: AbortSignal,
): Promise<void> {
  if (hasTag(alert, tags.settled)) return
  const wanted = verb === 'approve' ? settings.approve_statuses[0] : settings.decline_statuses[0]
  const status = verb === undefined || closed.includes(alert.stage) ? undefined : wanted
  const mark = { addTags: [tags.settled] }
  if (status !== undefined && (await tryChange(hive, alert, { ...mark, status }, stop))) return
  await hive.change(alert._id, mark, stop)
}

/**
 * Takes the word that was said off it, so that another can be said. False where TheHive does not let us reopen an alert
 * whose status is that word: it is settled then, or the same would be heard for ever.
 */
export async function askAgain(
  hive: TheHive,
  settings: Settings,
  alert: HiveAlert,
  stop: AbortSignal,
): Promise<boolean> {
  const removeTags = tagsLike(alert, Object.values(tags))
  if (!statusSays(alert, settings)) {
    if (removeTags.length > 0) await hive.change(alert._id, { removeTags }, stop)
    return true
  }
  const change = { ...(removeTags.length > 0 && { removeTags }), status: 'New' }
  if (await tryChange(hive, alert, change, stop)) return true
  await settle(hive, settings, alert, undefined, stop)
  return false
}

/** False when TheHive refuses the status: it does not know it, or we may not reopen. */
async function tryChange(
  hive: TheHive,
  { _id }: HiveAlert,
  change: Change,
  stop: AbortSignal,
): Promise<boolean> {
  try {
    await hive.change(_id, change, stop)
    return true
  } catch (error) {
    if (error instanceof Problem && refused.includes(error.code)) return false
    throw error
  }
}

const refused = ['invalid_input', 'not_found', 'forbidden']
