/** Decisions in words: what is blocked or asked, by which rule and why, until when, where, and how to undo it. Pure. */
import { explainReason } from '../decide/explain.ts'
import { plainBlock, printMeasure } from '../decide/measure.ts'
import { printNarrowing, printWay } from '../decide/traffic.ts'
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
  const target = targetOf(told)
  const what = `${nounOf(told)} of ${target}`
  const end = endOf(told)
  const until = end === undefined ? '' : ` until ${moment(end)}`
  switch (told.action) {
    case 'decision.wait':
      return { title: `Waits for a person: ${verbOf(told)}?`, lines: waitLines(told) }
    case 'decision.issue':
      return { title: `${what} ordered${until}`, lines: blockLines(told) }
    case 'decision.approve':
      return { title: `${what} approved${until}`, lines: blockLines(told) }
    case 'decision.confirm':
      return { title: `${what} confirmed${until}`, lines: blockLines(told) }
    case 'decision.prolong':
    case 'decision.extend':
      return { title: `${what} prolonged${until}`, lines: blockLines(told) }
    case 'decision.decline':
      return { title: `${what} declined`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.timeout_block':
      return {
        title: `Nobody answered: ${target} is ${participleOf(told)}${until}`,
        lines: blockLines(told),
      }
    case 'decision.timeout_decline':
      return {
        title: `Nobody answered: ${target} is not ${participleOf(told)}`,
        lines: [byWhom(told), seeLine(told)],
      }
    case 'decision.lift':
      return { title: `${what} lifted`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.second':
      return { title: `A second person is asked: ${verbOf(told)}?`, lines: secondLines(told) }
    case 'decision.undo':
      return { title: `Taken back: ${what.toLowerCase()}`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.ignore':
      return { title: `${target} is ignored for a time`, lines: [byWhom(told), seeLine(told)] }
    case 'decision.protect':
      return {
        title: `${target} is not to be blocked any more`,
        lines: [byWhom(told), seeLine(told)],
      }
    case 'decision.rollout':
      return { title: `${what} given to all${until}`, lines: blockLines(told) }
    case 'decision.halt':
      return {
        title: `Waits for a person: ${what.toLowerCase()} was halted`,
        lines: haltLines(told),
      }
    case 'decision.expire':
      return { title: `${what} ended by its time`, lines: [seeLine(told)] }
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
    `Asked: whether to ${verbOf(told)}${length}, ${scopeOf(told)}.`,
    ...whyLines(told),
    `Approve: ${command(`decision approve ${subject} --reason "..."`)}`,
    `Decline: ${command(`decision decline ${subject} --reason "..."`)}`,
    seeLine(told),
  ]
}

function haltLines(told: Told): string[] {
  const { subject } = told
  return [
    `It is so wide that a few nodes tried it first, and it was taken back there: ${textIn(told.after, 'reason') ?? ''}`,
    `Order it everywhere all the same: ${command(`decision approve ${subject} --reason "..."`)}`,
    `Leave it: ${command(`decision decline ${subject} --reason "..."`)}`,
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
    `${targetOf(told)} is to be ${participleOf(told)}${until}, ${scopeOf(told)}.`,
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
  const way = printWay(direction)
  const only = decision ? printNarrowing({ direction: direction ?? null, ...decision.scope }) : ''
  return `${way}, ${only && `only ${only}, `}${audienceOf(audience.length > 0 ? audience : (decision?.audience ?? []))}`
}

const nouns = { block: 'Block', allow: 'Allow', limit: 'Limit' }
const participles = { block: 'blocked', allow: 'allowed', limit: 'limited' }

function nounOf({ decision }: Told): string {
  return nouns[decision?.measure.action ?? 'block']
}

function participleOf({ decision }: Told): string {
  return participles[decision?.measure.action ?? 'block']
}

function verbOf(told: Told): string {
  return printMeasure(told.decision?.measure ?? plainBlock, targetOf(told))
}

function targetOf({ after, before, decision, subject }: Told): string {
  return textIn(after, 'target') ?? textIn(before, 'target') ?? decision?.target ?? subject
}

function endOf({ after, decision }: Told): number | undefined {
  return timeIn(after, 'not_after') ?? decision?.notAfter ?? undefined
}
