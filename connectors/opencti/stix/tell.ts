/** What Cordon knows of an address as STIX: a sighting, a note, its country and network. Never an indicator: nobody shall block by it. */
import type { Knowledge, KnownDecision } from '#contract/knowledge.ts'
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import { identityId, noteId, sightingId } from './id.ts'
import type { StixObject } from './stix-object.ts'
import { tlpObject, tlpOf } from './tlp.ts'
import { beginning, where } from './where.ts'

/** Events that were seen between two times; the count is what is new, since the platform adds counts up. */
export type Seen = { first: number; last: number; count: number }

/** What is written about, with what everything written about it has to carry. */
export type Subject = {
  type: string
  id: string
  value: string
  markings: readonly string[]
  granted: readonly string[]
}

/** Nothing when Cordon knows nothing. The address stands in it as it came, without a word that would change it. */
export function tell(
  knowledge: Knowledge,
  subject: Subject,
  seen: readonly Seen[],
  authorName: string,
): StixObject[] {
  const author = authorNamed(authorName)
  const carried = {
    created_by_ref: author.id,
    object_marking_refs: subject.markings,
    ...(subject.granted.length > 0 && { x_opencti_granted_refs: subject.granted }),
  }
  const told = [
    ...seen.map((span) => sighting(subject.id, author.id, span, carried)),
    ...note(knowledge, subject.id, carried),
    ...where(knowledge, subject.id, carried),
  ]
  if (told.length === 0) return []
  const levels = subject.markings.flatMap((id) => tlpOf(id) ?? [])
  return [...levels.map(tlpObject), author, addressOf(subject), ...told]
}

/** The same identity signs everything and is where attackers were seen. */
function authorNamed(name: string): StixObject {
  return {
    type: 'identity',
    spec_version: '2.1',
    id: identityId(name, 'system'),
    created: beginning,
    modified: beginning,
    name,
    identity_class: 'system',
    x_opencti_type: 'System',
  }
}

function addressOf({ type, id, value, markings }: Subject): StixObject {
  return { type, spec_version: '2.1', id, value, object_marking_refs: markings }
}

function sighting(of: string, where: string, seen: Seen, carried: object): StixObject {
  const ends = {
    sighting_of_ref: of,
    where_sighted_refs: [where],
    first_seen: printTime(seen.first),
    last_seen: printTime(seen.last),
  }
  return {
    type: 'sighting',
    spec_version: '2.1',
    id: sightingId(ends),
    created: ends.last_seen,
    modified: ends.last_seen,
    ...ends,
    count: seen.count,
    x_opencti_negative: false,
    ...carried,
  }
}

/** Dated by the last thing that happened, so that the same knowledge is the same note. */
function note(knowledge: Knowledge, about: string, carried: object): StixObject[] {
  const { decisions, alerts } = knowledge
  if (decisions.length + alerts.length === 0) return []
  const last = Math.max(
    ...decisions.map(({ created, ended }) => ended ?? created),
    ...alerts.map(({ at }) => at),
  )
  const created = printTime(last)
  const content = [history(knowledge), ...decisions.slice(0, 5).map(sentence)]
    .filter((line) => line !== '')
    .join('\n\n')
  return [
    {
      type: 'note',
      spec_version: '2.1',
      id: noteId(content, created),
      created,
      modified: created,
      abstract: heading(decisions),
      content,
      note_types: ['internal'],
      object_refs: [about],
      ...carried,
    },
  ]
}

function heading(decisions: readonly KnownDecision[]): string {
  const states = new Set(decisions.map(({ state }) => state))
  if (states.has('applied')) return 'Blocked by Cordon'
  if (states.has('issued')) return 'Block ordered by Cordon'
  if (states.has('waiting')) return 'Cordon waits for a person'
  return states.has('ended') ? 'Was blocked by Cordon' : 'Seen by Cordon'
}

function history({ address, alerts }: Knowledge): string {
  const newest = alerts[0]
  const oldest = alerts.at(-1)
  if (!newest || !oldest) return ''
  const events = alerts.reduce((sum, { count }) => sum + count, 0)
  const rules = [...new Set(alerts.map(({ rule }) => printable(rule, 80)))]
  const named = rules.slice(0, 5).join(', ')
  return `${address}: ${events} ${events === 1 ? 'event' : 'events'} from ${printTime(oldest.at)} to ${printTime(newest.at)} (rules ${named}).`
}

function sentence(decision: KnownDecision): string {
  const { state, outcome, target, rule, created, notAfter, ended, nodes, id } = decision
  const until =
    ended !== undefined
      ? `, ended ${printTime(ended)}`
      : notAfter === undefined
        ? ''
        : `, until ${printTime(notAfter)}`
  const by = rule === undefined ? 'by a person' : `by rule ${printable(rule, 80)}`
  const on = nodes === 0 ? '' : `, confirmed by ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`
  return `${printTime(created)}: ${outcome} of ${target} ${by} (${state}${until}${on}; ${id}).`
}
