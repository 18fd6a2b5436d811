/** An event to withdrawals: what it takes back of what earlier versions of its object said. */
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import type { Withdrawal } from '#contract/withdrawal.ts'
import { isObject } from '../read-path.ts'
import { refusal } from './admit.ts'
import type { StreamEvent } from './event.ts'
import { type IntelObject, kindOf, readIntel } from './object.ts'
import { addressesOf } from './pattern.ts'
import { timeOf } from './place.ts'
import { source } from './said.ts'
import type { Settings } from './settings.ts'

const mostSources = 1_000

export function withdrawalsOf(event: StreamEvent, settings: Settings, now: number): Withdrawal[] {
  if (kindOf(event.object) === undefined) return []
  const object = readIntel(event.object)
  const observed = printTime(Math.max(timeOf(event.id), object?.modified ?? 0))
  const take = (of: string, reason: string, attacker?: string): Withdrawal => ({
    version: 1,
    source,
    of,
    ...(attacker !== undefined && { attacker }),
    observed,
    reason: printable(reason, 200),
  })
  const { id } = event.object
  if (event.event === 'delete') return [take(id, goneBecause(event, object))]
  if (!object) return []
  const { renamed, dropped } = changesOf(event, object)
  const changed = [
    ...renamed.map((before) => take(before, 'its pattern was changed')),
    ...dropped.map((address) => take(id, 'its pattern no longer names this address', address)),
    ...mergedInto(event).map((merged) => take(merged, 'it was merged into another')),
  ]
  const refused = object.addresses && refusal(object, settings, now)
  return refused === undefined ? changed : [take(id, refused), ...changed]
}

/** An update that takes an object out of the stream's filter comes as a delete that says update. */
function goneBecause({ type }: StreamEvent, object: IntelObject | undefined): string {
  if (object?.revoked) return 'it is revoked'
  return type === 'update' ? 'it left the stream' : 'it was deleted'
}

/** The id follows from the pattern, so a change of the pattern is mostly a change of the id too. */
function changesOf(
  { context }: StreamEvent,
  { id, addresses }: IntelObject,
): { renamed: string[]; dropped: string[] } {
  const before = (path: string) => {
    const value = context?.reverse_patch.find((change) => change.path === path)?.value
    return typeof value === 'string' ? value : undefined
  }
  const [earlierId, earlierPattern] = [before('/id'), before('/pattern')]
  const renamed = earlierId !== undefined && earlierId !== id ? [earlierId.slice(0, 100)] : []
  const earlier = earlierPattern === undefined ? [] : (addressesOf(earlierPattern) ?? [])
  const still = new Set(addresses?.map(({ text }) => text))
  const dropped = earlier.map(({ text }) => text).filter((text) => !still.has(text))
  return { renamed, dropped: [...new Set(dropped)] }
}

/** What is merged vanishes without an event of its own. */
function mergedInto({ event, context, object }: StreamEvent): string[] {
  if (event !== 'merge') return []
  return (context?.sources ?? [])
    .slice(0, mostSources)
    .map((merged) => (isObject(merged) ? merged.id : merged))
    .filter((id) => typeof id === 'string')
    .filter((id) => id !== '' && id.length <= 100 && id !== object.id)
}
