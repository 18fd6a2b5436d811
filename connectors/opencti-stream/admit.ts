/** Our own policy on each object: the platform also sends what its filter leaves out, such as dependencies. */
import { isStricter, tlpOf } from '../opencti/stix/tlp.ts'
import type { StreamEvent } from './event.ts'
import type { IntelObject } from './object.ts'
import type { Settings } from './settings.ts'

/** Why it may not make an alert, as a reason to take back what it made before; undefined when it may. */
export function refusal(object: IntelObject, settings: Settings, now: number): string | undefined {
  const { score, confidence } = object
  if (!settings.kinds.includes(object.kind)) return `it is an ${object.kind}`
  if (object.revoked) return 'it is revoked'
  if (object.validUntil !== undefined && object.validUntil <= now) return 'it is no longer valid'
  if (object.validFrom !== undefined && object.validFrom > now) return 'it is not valid yet'
  if (score === undefined || score < settings.min_score)
    return `its score is ${score ?? 'missing'}, below ${settings.min_score}`
  if (confidence !== undefined && confidence < settings.min_confidence)
    return `its confidence is ${confidence}, below ${settings.min_confidence}`
  if (settings.detection_only && !object.detection) return 'it is not marked for detection'
  return refusalByWords(object, settings)
}

function refusalByWords({ labels, markings }: IntelObject, settings: Settings): string | undefined {
  const barred = settings.not_labels.find((label) => has(labels, label))
  if (barred !== undefined) return `it has the label ${barred}`
  if (settings.labels.length > 0 && !settings.labels.some((label) => has(labels, label)))
    return 'it has none of the labels that are needed'
  const tlp = markings
    .map(tlpOf)
    .find((level) => level !== undefined && isStricter(level, settings.max_tlp))
  return tlp && `it is marked ${tlp}`
}

/**
 * What Cordon itself wrote to the platform, or did to somebody's object there. It makes no alert, or every block would
 * give reasons for the next; what others wrote is still taken back when Cordon has touched it.
 */
export function isOwn(
  { origin }: StreamEvent,
  { creators, authors, labels, references }: IntelObject,
  settings: Settings,
): boolean {
  const users = settings.own_users
  const byUs = [origin.user_id, origin.applicant_id].some(
    (user) => user !== undefined && users.includes(user),
  )
  return (
    byUs ||
    (creators.length > 0 && creators.every((creator) => users.includes(creator))) ||
    authors.some((author) => settings.own_authors.includes(author)) ||
    settings.own_labels.some((label) => has(labels, label)) ||
    settings.own_references.some((name) => has(references, name))
  )
}

function has(words: readonly string[], wanted: string): boolean {
  return words.some((word) => word.toLowerCase() === wanted.toLowerCase())
}
