/** Prints an explained record stage by stage: read, facts, rules, verdict. */
import { type Alert, severityName } from '#contract/alert.ts'
import { printDuration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import type { Io } from './command.ts'
import type { Explained, Judged } from './explain.ts'
import { paint, printFields } from './paint.ts'

export type About = {
  guessed: boolean
  /** The policy's file; undefined for the default policy. */
  policy: string | undefined
  rules: number
}

const conditionWidth = 90

export function printExplained(io: Io, explained: readonly Explained[], about: About): string {
  return explained.map((one) => printRecord(io, one, about)).join('\n')
}

function printRecord(io: Io, { record, connector, problem, alerts }: Explained, about: About) {
  const how = `${connector}${about.guessed ? ' (guessed; --connector names another)' : ''}`
  const head = `${paint(io, 'out', 'bold', `record ${record}`)}\n`
  if (problem) {
    const hint = problem.remedy === undefined ? '' : `; ${problem.remedy}`
    return `${head}${stage(io, 'read', printable(`not understood by ${how}: ${problem.detail}${hint}`))}`
  }
  if (alerts.length === 0) return `${head}${stage(io, 'read', `${how}: this is no alert`)}`
  return head + alerts.map((judged) => printJudged(io, judged, how, about)).join('')
}

function printJudged(io: Io, judged: Judged, how: string, about: About): string {
  const { alert, earlier, verdict, sentences } = judged
  const policy = about.policy ?? 'the default policy'
  return [
    stage(io, 'read', how),
    indent(printFields(fieldsOf(alert))),
    stage(io, 'facts', `${earlier} earlier alerts of this attacker in this file; no blocks before`),
    stage(io, 'rules', printable(`${policy}, ${about.rules} in order`)),
    ...rulesOf(io, judged),
    stage(
      io,
      'verdict',
      paint(io, 'out', colourOf(verdict.outcome), printable(sentences[0] ?? '')),
    ),
    ...sentences.slice(1).map((sentence) => indent(printable(sentence))),
    ...(judged.too_old_now ? [indent(tooOld(judged, io))] : []),
  ].join('')
}

function rulesOf(io: Io, { passed, verdict }: Judged): string[] {
  const width = Math.max(0, ...passed.map(({ rule }) => rule.length))
  const no = passed.map(({ rule, because_not }) => {
    const text = `no   ${printable(rule).padEnd(width)}  not: ${printable(because_not, conditionWidth)}`
    return indent(paint(io, 'out', 'dim', text))
  })
  if (verdict.rule !== null)
    return [...no, indent(paint(io, 'out', 'green', `yes  ${printable(verdict.rule)}`))]
  return no.length > 0 ? no : [indent('not asked: the verdict came before them')]
}

function fieldsOf(alert: Alert): [string, string | undefined][] {
  const { rule, victim } = alert
  return [
    ['attacker', alert.attacker ?? 'none'],
    ['rule', `${rule.id} ${rule.name}`],
    ['severity', `${rule.severity} of 100 (${severityName(rule.severity)})`],
    ['groups', rule.groups.join(', ')],
    ['victim', victim && [victim.host, victim.address, victim.port].filter(Boolean).join(' ')],
    ['user', alert.user],
    ['observed', alert.observed],
  ]
}

function tooOld({ alert }: Judged, io: Io): string {
  const age = printDuration(io.now() - Date.parse(alert.observed))
  return `Judged as when it was seen. Sent now it is ${age} old, too old for a block (--now now).`
}

function colourOf(outcome: string) {
  return outcome === 'block' ? 'red' : outcome === 'review' ? 'yellow' : 'green'
}

/** `text` is printable already. */
function stage(io: Io, name: string, text: string): string {
  return `  ${paint(io, 'out', 'cyan', name.padEnd(8))} ${text}\n`
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `           ${line}\n`)
    .join('')
}
