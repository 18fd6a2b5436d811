/** A simulation as a person reads it: what changes first, then what it would be like. */
import { printDuration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import type { Change, Example, Report } from '../simulate/report.ts'
import type { Io } from './command.ts'
import { paint, printColumns } from './paint.ts'

export function printReport(io: Io, report: Report): string {
  return [
    ...heading(report),
    '',
    ...changes(io, report),
    ...doubts(report),
    '',
    ...blocks(report),
    '',
    printColumns(
      io,
      ['RULE', 'BEFORE', 'AFTER', 'BLOCKS', 'QUESTIONS'],
      report.rules.map(({ rule, before, after, blocks, reviews }) =>
        [rule, before, after, blocks, reviews].map(String),
      ),
    ),
  ].join('\n')
}

function heading({ alerts, since, until, compared_with, differs_from_recorded }: Report): string[] {
  const draft = compared_with === 'policy_in_force'
  const compared = draft
    ? 'before: the policy in force, replayed over the same alerts; after: the draft'
    : 'before: what was decided then; after: the policy in force, replayed'
  const differs = `the policy in force decides ${differs_from_recorded} of them otherwise than was decided then`
  return [
    `${alerts} alerts from ${since} to ${until}`,
    compared,
    ...(draft && differs_from_recorded > 0
      ? [`${differs}: people or another policy were there`]
      : []),
  ]
}

function changes(io: Io, report: Report): string[] {
  const { reviews, protected_hits: hits } = report
  return [
    ...change(io, 'newly blocked', report.newly_blocked),
    ...change(io, 'no longer blocked', report.no_longer_blocked),
    `blocked sooner: ${report.blocked_sooner} addresses; later: ${report.blocked_later}`,
    ...change(io, 'questions gained', reviews.gained),
    ...change(io, 'questions lost', reviews.lost),
    ...change(io, `protected and hit by a rule (${hits.new} alerts newly)`, hits),
    ...change(io, 'blocked though protected now', report.protection_lost),
  ]
}

function change(io: Io, what: string, { addresses, alerts, examples }: Change): string[] {
  const said = `${what}: ${addresses} addresses, ${alerts} alerts`
  return [alerts > 0 ? paint(io, 'out', 'bold', said) : said, ...examples.map(example)]
}

function example({ alert, address, at, rule, before, after }: Example): string {
  const by = rule === null ? '' : ` by "${printable(rule)}"`
  return `  ${printable(address)}  ${before} → ${after}${by}  ${at}  ${printable(alert)}`
}

function doubts({ unknown }: Report): string[] {
  if (unknown.alerts === 0) return []
  const sources = unknown.sources.map(({ source, alerts }) => `${printable(source)} ${alerts}`)
  return [
    `cannot be told: ${unknown.alerts} alerts, for nothing was kept then of ${sources.join(', ')}; they are in no count`,
    ...unknown.examples.map(example),
  ]
}

function blocks({ outcomes, blocks, reviews }: Report): string[] {
  const { before, after } = outcomes
  const { made, provisional, targets, most_in_force: most, longest } = blocks
  const change = (what: string, pair: { before: number; after: number }) =>
    `${what} ${pair.before} → ${pair.after}`
  const alerts = (['block', 'review', 'watch', 'ignore'] as const).map((outcome) =>
    change(outcome, { before: before[outcome], after: after[outcome] }),
  )
  return [
    `alerts: ${alerts.join(', ')}`,
    `${change('blocks', made)} (provisional ${provisional.before} → ${provisional.after}), ${targets} targets, at most in force ${most.before} → ${most.after}; ${change('questions', reviews.questions)}`,
    ...longest.map(
      ({ target, length_ms, rule, alert }) =>
        `  ${printDuration(length_ms)}  ${target}  ${printable(rule ?? '')}  ${printable(alert)}`,
    ),
  ]
}
