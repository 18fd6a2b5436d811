/**
 * A line of the journal as a document of the Elastic Common Schema 8.17 (all fields are in 9 too).
 *
 * ECS fields: `@timestamp`, `ecs.version`, `message`; `event.` kind, category, type, action, outcome, reason, sequence,
 * hash, module, dataset, provider; `rule.name`; `source.ip`, or `destination.ip` for a block of what goes out or
 * is forwarded to it, and `related.ip`, for a host (a network is no `ip`, and stands in `cordon.target` only); the peer at
 * the other end, of what a decision says one, is the other of the two; `user.name` and `related.user` for
 * what somebody did with a token, `observer.` name, type, vendor, product for what a node said; `network.transport`,
 * `destination.port` and the name of `observer.ingress.interface` or `observer.egress.interface` where a decision is about
 * that part of the traffic only; `organization.name` when it is asked for. `event.type` tells what is allowed from what is
 * denied; of a limit, which denies a part, it is `info`.
 *
 * `cordon.` holds the rest: actor, subject, target, the decision as it stands at the time of the export, and `before`,
 * `after`, `prev` verbatim, so that `event.hash` can be computed anew from the document: the SHA-256, in hex, of the JSON
 * of [event.sequence, @timestamp in epoch milliseconds, cordon.actor, event.action, cordon.subject, cordon.before or
 * null, cordon.after or null, cordon.prev].
 */
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import {
  decisionFields,
  type EcsDocument,
  endFields,
  merged,
  scopeFields,
  who,
} from './ecs-parts.ts'
import type { Entry } from './entry.ts'
import { kindOf, outcomeOf, saidBy } from './meaning.ts'

export function toEcs(entry: Entry, organization?: string): EcsDocument {
  const { line, decision } = entry
  const { reason, target, rule } = saidBy(entry)
  const { category, type } = kindOf(line.action, decision)
  return {
    '@timestamp': printTime(line.at),
    ecs: { version: '8.17.0' },
    event: {
      kind: 'event',
      category: [category],
      type,
      action: line.action,
      outcome: outcomeOf(line.action),
      ...(reason !== undefined && { reason }),
      sequence: line.seq,
      hash: line.hash,
      module: 'cordon',
      dataset: 'cordon.journal',
      provider: 'cordon',
    },
    message: messageOf(entry),
    ...(rule !== undefined && { rule: { name: rule } }),
    ...merged(
      who(line.actor, target, decision?.scope.peer),
      endFields(target, decision),
      scopeFields(decision),
    ),
    ...(organization !== undefined && { organization: { name: organization } }),
    cordon: {
      actor: line.actor,
      subject: line.subject,
      ...(target !== undefined && { target }),
      ...(line.before !== null && { before: line.before }),
      ...(line.after !== null && { after: line.after }),
      prev: line.prev,
      ...(decision && { decision: decisionFields(decision, entry.hits) }),
    },
  }
}

/** One line that a person reads. */
function messageOf(entry: Entry): string {
  const { line } = entry
  const { reason, target } = saidBy(entry)
  const about = target === undefined || target === line.subject ? '' : ` on ${target}`
  const why = reason === undefined ? '' : ` (${reason})`
  return printable(`${line.actor}: ${line.action} of ${line.subject}${about}${why}`, 1_000)
}
