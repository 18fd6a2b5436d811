/** Decisions in words: what is blocked or asked, by which rule and why, until when, where, and how to undo it. Pure. */
import { explainReason } from '../decide/explain.ts'
import {
  audienceOf,
  command,
  lengthOf,
  moment,
  type Told,
  textIn,
  textsIn,
  timeIn,
  type Words,
  whoOf,
} from './told.ts'

/** Reasons that are told; the rest is where "decision show" leads. */
const mostReasons = 6

/** Undefined for an event that is none of a decision's. */
export function tellDecision(told: Told): Words | undefined {
  const what = targetOf(told)
  const end = endOf(told)
  const until = end === undefined ? '' : ` until ${moment(end)}`
  switch (told.action) {
    case 'decision.wait':
      return { title: `Waits for a person: block ${what}?`, lines: waitLines(told) }
    case 'decision.issue':
      return { title: `Block of ${what} ordered${until}`, lines: blockLines(told) }
    case 'decision.approve':
      return { title: `Block of ${what} approved${until}`, lines: blockLines(told) }
    case 'decision.confirm':
      return { title: `Block of ${what} confirmed${until}`, lines: blockLines(told) }
    case 'decision.prolong':
    case 'decision.extend':
      return { title: `Block of ${what} prolonged${until}`, lines: blockLines(told) }
    case 'decision.decline':
      return { title: `Block of ${what} declined`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.timeout_block':
      return { title: `Nobody answered: ${what} is blocked${until}`, lines: blockLines(told) }
    case 'decision.timeout_decline':
      return {
        title: `Nobody answered: ${what} is not blocked`,
        lines: [byWhom(told), seeLine(told)],
      }
    case 'decision.lift':
      return { title: `Block of ${what} lifted`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.second':
      return { title: `A second person is asked: block ${what}?`, lines: secondLines(told) }
    case 'decision.undo':
      return { title: `Taken back: block of ${what}`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.ignore':
      return { title: `${what} is ignored for a time`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.protect':
      return {
        title: `${what} is not to be blocked any more`,
        lines: [byWhom(told), seeLine(told)],
      }
    case 'decision.expire':
      return { title: `Block of ${what} ended by its time`, lines: [seeLine(told)] }
    default:
      return undefined
  }
}

/** A node's word on a decision. */
export function tellReceipt(told: Told): Words | undefined {
  if (told.action !== 'receipt.refused' && told.action !== 'receipt.failed') return undefined
  const refused = told.action === 'receipt.refused'
  const why = [textIn(told.after, 'code'), textIn(told.after, 'detail')].filter(Boolean).join(': ')
  const verb = refused ? 'refuses to block' : 'could not block'
  return {
    title: `${whoOf(told.actor)} ${verb} ${targetOf(told)}`,
    lines: [
      why === '' ? 'It gives no reason.' : `Its reason: ${why}`,
      refused ? 'The other nodes are not concerned by it.' : 'The address is not blocked there.',
      seeLine(told),
    ],
  }
}

function waitLines(told: Told): string[] {
  const { decision, subject } = told
  const length = decision?.lengthMs ? ` for ${lengthOf(0, decision.lengthMs)}` : ''
  const answered =
    decision !== undefined && decision.state !== 'waiting'
      ? [`By now it is ${decision.state}${decision.actor ? `, by ${whoOf(decision.actor)}` : ''}.`]
      : []
  return [
    ...answered,
    `Asked: whether to block ${targetOf(told)}${length}, ${scopeOf(told)}.`,
    ...whyLines(told),
    `Approve: ${command(`decision approve ${subject} --reason "..."`)}`,
    `Decline: ${command(`decision decline ${subject} --reason "..."`)}`,
    seeLine(told),
  ]
}

/** The same verb, length and audience: anything else is no agreement. */
function secondLines(told: Told): string[] {
  const verb = textIn(told.after, 'verb') ?? 'approve'
  const length = told.after.length_ms
  const asks = typeof length === 'number' ? ` to ${verb} ${lengthOf(0, length)}` : ''
  return [
    `${whoOf(told.actor)} agreed${asks}, ${scopeOf(told)}. Nothing changes until somebody else does.`,
    byWhom(told),
    ...whyLines(told),
    `Agree: ${command(`decision ${verb} ${told.subject} --reason "..."`)}`,
    seeLine(told),
  ]
}

function blockLines(told: Told): string[] {
  const end = endOf(told)
  const until = end === undefined ? '' : ` until ${moment(end)} (${lengthOf(told.at, end)})`
  return [
    `${targetOf(told)} is to be blocked${until}, ${scopeOf(told)}.`,
    ...(told.actor === 'policy' ? whyLines(told) : [byWhom(told)]),
    seeLine(told),
    `Undo: ${command(`decision lift ${told.subject} --reason "..."`)}`,
  ]
}

function whyLines(told: Told): string[] {
  const { decision } = told
  const rule = textIn(told.after, 'rule') ?? decision?.rule
  const reasons = decision?.reasons.map(explainReason) ?? []
  return [
    ...(rule && reasons.length === 0 ? [`By the rule "${rule}".`] : []),
    ...reasons.slice(0, mostReasons),
    ...(decision && decision.alerts > 1 ? [`${decision.alerts} alerts stand behind it.`] : []),
  ]
}

function byWhom({ actor, after, decision }: Told): string {
  const reason = textIn(after, 'reason') ?? decision?.note
  return `By ${whoOf(actor)}${reason ? `: ${reason}` : ''}`
}

function seeLine({ subject }: Told): string {
  return `See: ${command(`decision show ${subject}`)}`
}

function scopeOf({ after, decision }: Told): string {
  const audience = textsIn(after, 'audience')
  const direction = textIn(after, 'direction') ?? decision?.direction
  const ways: Record<string, string> = { in: 'coming in', out: 'going out', both: 'both ways' }
  const way = ways[direction ?? ''] ?? 'coming in'
  return `${way}, ${audienceOf(audience.length > 0 ? audience : (decision?.audience ?? []))}`
}

function targetOf({ after, before, decision, subject }: Told): string {
  return textIn(after, 'target') ?? textIn(before, 'target') ?? decision?.target ?? subject
}

function endOf({ after, decision }: Told): number | undefined {
  return timeIn(after, 'not_after') ?? decision?.notAfter ?? undefined
}
