/** What became of an alert, in one word and in sentences for the people of a case. Pure. */
import { printable } from '#contract/printable.ts'
import type { Result, ResultDecision } from '#contract/result.ts'
import { printTime } from '#contract/time.ts'
import type { AlertOutcome } from '../settings.ts'

/** As the decision stands when the result is given: several results of one batch say the same. */
export function outcomeOf({ action, at }: Result, decision: ResultDecision): AlertOutcome {
  const { state, outcome, notAfter } = decision
  if (state === 'waiting' || state === 'declined') return state
  if (state === 'issued' || state === 'applied') return inForce[decision.does]
  if (state === 'noted') return outcome === 'ignore' ? 'ignored' : 'watched'
  const ranOut = action === 'decision.expire' || (notAfter !== undefined && notAfter <= at)
  return decision.ended ?? (ranOut ? 'expired' : 'lifted')
}

const inForce = { block: 'blocked', limit: 'limited', allow: 'ignored' } as const

export const tagOf = (outcome: AlertOutcome): string => `cordon:${outcome}`

/** In each comment, so that it is found when the same result is given again. */
export const markerOf = ({ id }: Pick<Result, 'id'>): string => `cordon-result:${id}`

/** Markdown. What an attacker may have chosen is shown as it is written, never as a link or a picture. */
export function commentOf(result: Result, decision: ResultDecision): string {
  const { target, notAfter, reasons, rule, actor, id } = decision
  const outcome = outcomeOf(result, decision)
  const until =
    outcome === 'blocked' && notAfter !== undefined ? ` until ${printTime(notAfter)}` : ''
  const whom = target === undefined ? '' : ` of ${plain(target)}`
  return [
    `**Cordon** ${plain(result.action)}${whom}, now ${outcome}${until}`,
    ...reasons.slice(0, mostReasons).map((reason) => `- ${plain(reason)}`),
    [
      `Decision ${plain(id)}`,
      ...(rule === undefined ? [] : [`rule ${plain(rule)}`]),
      ...(actor === undefined ? [] : [`by ${plain(actor)}`]),
      printTime(result.at),
    ].join(', '),
    `\`${markerOf(result)}\``,
  ].join('\n\n')
}
const mostReasons = 20

function plain(text: string): string {
  return printable(text, 300).replace(/[\\`*_{}[\]()#+!|<>~&]|:(?=\/\/)|(?<=www)\./gi, '\\$&')
}
