/** Prints a verdict and its reasons as sentences, for the console, the command line and the journal. */
import { printDuration } from '#contract/duration.ts'
import { printTime } from '#contract/time.ts'
import { plainBlock, printMeasure } from './measure.ts'
import { printNarrowing, printWay } from './traffic.ts'
import type { Order, Outcome, Reason, Verdict } from './verdict.ts'

/** What was decided first, then every reason in the order in which it was found. */
export function explainVerdict(verdict: Verdict): string[] {
  return [headline(verdict), ...verdict.reasons.map(explainReason)]
}

/** One sentence, with its full stop. */
export function explainReason(reason: Reason): string {
  switch (reason.code) {
    case 'rule_matched':
      return `The rule "${reason.rule}" matched: ${stop(reason.because)}`
    case 'no_rule_matched':
      return 'No rule of the policy matched.'
    case 'condition_failed':
      return `The condition of the rule "${reason.rule}" could not be evaluated: ${stop(reason.problem)}`
    case 'no_attacker':
      return 'The alert names no attacker, so there is nothing to block.'
    case 'not_blockable':
      return `${reason.address} is loopback, link-local, multicast or reserved, and never blocked.`
    case 'protected':
      return `${reason.address} is protected by ${reason.by}: ${stop(reason.why)}`
    case 'too_old':
      return `The alert is ${printDuration(reason.ageMs)} old; after ${printDuration(reason.limitMs)} nothing is blocked.`
    case 'over':
      return `Its source said so only until ${printDuration(reason.endedMs)} ago, so nothing is blocked.`
    case 'shortened':
      return `Only for ${printDuration(reason.lengthMs)}, because its source says so only until ${printTime(reason.until)}.`
    case 'withdrawn':
      return `${reason.by} took it back before it was judged: ${stop(reason.why)}`
    case 'from_the_future':
      return `The alert is ${printDuration(reason.aheadMs)} ahead of the clock, more than the ${printDuration(reason.limitMs)} allowed; check the clock of its sensor.`
    case 'widened':
      return `${reason.address} is blocked as its network ${reason.network}, as the policy says.`
    case 'kept_narrow':
      return `${reason.address} is blocked alone, because its network ${reason.network} overlaps ${reason.by}.`
    case 'too_wide':
      return `${reason.target} is wider than the ceiling of /${reason.ceiling}, so a person decides.`
    case 'escalated':
      return `Blocked ${times(reason.offences)} before, so this time for ${printDuration(reason.lengthMs)} (at most ${printDuration(reason.ceilingMs)}).`
    case 'ceiling':
      return `${ceilingText(reason)}, so a person decides.`
    case 'observed':
      return reason.scope === 'rule'
        ? `The rule "${reason.rule}" is on trial, so it blocks nothing.`
        : 'The whole policy is on trial (mode: observe), so it blocks nothing.'
    case 'already_dropped_by_sensor':
      return 'The sensor says that it dropped this traffic itself.'
    case 'ignored':
      return `${reason.by} said to ignore this until ${printTime(reason.until)}: ${stop(reason.why)}`
    case 'must_ask':
      return `The rule "${reason.rule}" waits for what ${reason.providers.join(' and ')} will say.`
    case 'certain':
      return `The policy names ${reason.signature} as certain, so nobody is asked about its attacker.`
    case 'place':
      return placeText(reason)
    case 'listed':
      return `The attacker is on the list ${reason.list}.`
    case 'intelligence':
      return `${reason.provider} says ${reason.verdict}, score ${reason.score}, ${printDuration(reason.ageMs)} ago: ${stop(reason.summary)}`
    case 'source_silent':
      return `${reason.source} did not answer (${reason.problem}), so ${failText[reason.fail]}.`
    case 'vetoed':
      return `${reason.provider} knows the attacker as a common service, so a person decides: ${stop(reason.summary)}`
    case 'provisional':
      return `Blocked for ${printDuration(reason.lengthMs)} while its attacker is asked about; ${printDuration(reason.fullMs)} if that confirms the rule "${reason.rule}".`
    case 'confirmed':
      return `What was asked confirms the rule "${reason.rule}", so the block holds ${printDuration(reason.lengthMs)}.`
    case 'not_confirmed':
      return `What was asked does not confirm the rule "${reason.rule}".`
    case 'allowed':
      return `${reason.target} is allowed by ${reason.by} until ${printTime(reason.until)}, so a block would do nothing: ${stop(reason.why)}`
    case 'rollout':
      return `It is so wide that it goes to ${reason.nodes} ${reason.nodes === 1 ? 'node' : 'nodes'} of ${reason.audience.join(', ')} first, and to the rest when they stay well.`
    case 'rollout_halted':
      return `It was not rolled out, so a person decides: ${stop(reason.problem)}`
  }
}

const failText = {
  open: 'it was judged as if that knew nothing',
  closed: 'it was judged as if that had said the worst',
  review: 'a person decides wherever that matters',
}

function placeText({ country, asn, as_owner }: Extract<Reason, { code: 'place' }>): string {
  const network = asn === 0 ? '' : `, network AS${asn}${as_owner === '' ? '' : ` (${as_owner})`}`
  return `The attacker is in ${country === '' ? 'a country that no database knows' : country}${network}.`
}

function headline({ outcome, would, order }: Verdict): string {
  if (would !== undefined) return `Watch; it would have been: ${decided(would, order)}.`
  const text = decided(outcome, order)
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function decided(outcome: Outcome, order: Order | undefined): string {
  if (order === undefined) return outcome
  const { target, lengthMs, audience, direction, measure = plainBlock } = order
  const way = printWay(direction)
  const verb = printMeasure(measure, target)
  const what = outcome === 'review' ? `ask a person whether to ${verb}` : verb
  const only = printNarrowing({ direction, ...order.scope })
  const which = only === '' ? way : `${way}, only ${only}`
  return `${what} for ${printDuration(lengthMs)}, ${which}, on ${audience.join(', ')}`
}

function ceilingText({ ceiling, limit, value }: Extract<Reason, { code: 'ceiling' }>): string {
  return ceiling === 'blocks_per_minute'
    ? `${value} blocks were issued in the last minute and the ceiling is ${limit}`
    : `${value} blocks are in force and the ceiling is ${limit}`
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function stop(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}
