/** `cordon policy suggest`: what the stored alerts say for changing in the policy. */
import { printable } from '#contract/printable.ts'
import type { Report } from '../simulate/report.ts'
import { type Suggestion, Suggestions } from '../simulate/suggestion.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Handler, Io } from './command.ts'
import { readMoment } from './export.ts'
import { paint } from './paint.ts'
import { hear } from './told.ts'

export const suggestPolicy: Handler = async (asked, io) => {
  const body = {
    since: readMoment(asked.option('since') ?? '7d', io.now()),
    until: readMoment(asked.option('until'), io.now()),
  }
  const found = await hear(openClient(io.environment), io, '/v1/policy/suggest', body, Suggestions)
  answer(asked, io, found, () =>
    found.suggestions.length === 0
      ? 'nothing that was observed speaks for a change\n'
      : found.suggestions.map((suggestion, at) => print(io, suggestion, at + 1)).join('\n'),
  )
  return 0
}

function print(
  io: Io,
  { says, evidence, effect, failing, diff }: Suggestion,
  number: number,
): string {
  const tests = failing.map((name) => `  its test "${printable(name)}" has to change too\n`)
  return [
    `${paint(io, 'out', 'bold', `${number}. ${printable(says)}`)}\n`,
    ...evidence.map((sentence) => `  ${printable(sentence)}\n`),
    `  ${effectOf(effect)}\n`,
    ...tests,
    ...diff
      .trimEnd()
      .split('\n')
      .map((line) => `    ${printable(line, 1_000)}\n`),
  ].join('')
}

function effectOf(effect: Report): string {
  const { newly_blocked, no_longer_blocked, blocked_sooner, reviews, outcomes, alerts } = effect
  const { before, after } = outcomes
  const found = [
    [newly_blocked.addresses, 'addresses newly blocked'],
    [no_longer_blocked.addresses, 'no longer blocked'],
    [blocked_sooner, 'blocked sooner'],
    [reviews.gained.alerts, 'alerts newly asked about'],
    [reviews.lost.alerts, 'no longer asked about'],
    [after.ignore - before.ignore, 'alerts ignored'],
    [effect.protected_hits.alerts, 'alerts of protected addresses hit by a rule'],
  ] as const
  const told = found.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  return `Over ${alerts} alerts: ${told.length === 0 ? 'no other verdict' : told.join(', ')}.`
}
