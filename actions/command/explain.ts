/** `cordon alert explain`: a record through every stage, without a service, to the rule that decides. */
import { pino } from 'pino'
import { maybeAddress, readAddress } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import { Problem, type ProblemBody } from '#contract/problem.ts'
import { printTime, readTime } from '#contract/time.ts'
import { openConsult } from '../decide/case.ts'
import { canMeetPeer, decide } from '../decide/decide.ts'
import { makeEvidence } from '../decide/evidence.ts'
import { explainVerdict } from '../decide/explain.ts'
import { type Facts, historyLimit, type PastAlert } from '../decide/facts.ts'
import { nothingOutside, type Outside, placeSources } from '../decide/outside.ts'
import { type Policy, readPolicy } from '../decide/policy.ts'
import { checkSource, readSource } from '../decide/policy-source.ts'
import type { Verdict } from '../decide/verdict.ts'
import { openPlaces } from '../facts/places/places.ts'
import { offender, toPast } from '../flow/enrich.ts'
import { type RunningConnector, readRecord } from '../flow/receive.ts'
import { defaultPolicyFile } from '../policy-in-force.ts'
import { readSections } from '../sections.ts'
import { answer } from './answer.ts'
import type { Asked, Handler, Io } from './command.ts'
import { printExplained } from './explain-print.ts'
import { chooseConnector } from './guess-connector.ts'
import { readPolicyFile } from './policy.ts'
import { readRecords } from './read-records.ts'
import { whyNot } from './why-not.ts'

const shownAtMost = 20

export type Judged = {
  alert: Alert
  /** Earlier alerts of the attacker in the same file; all that is known without a service. */
  earlier: number
  /** Rules before the one that decided, with the part of each that is false. */
  passed: { rule: string; because_not: string }[]
  verdict: Verdict
  sentences: string[]
  judged_at: string
  /** Judged as when it was seen; sent now it would be too old for a block. */
  too_old_now: boolean
}
export type Explained = {
  record: number
  connector: string
  problem?: ProblemBody
  alerts: Judged[]
}

type Judge = {
  policy: Policy
  whens: ReadonlyMap<string, string>
  at: number | undefined
  now: number
  /** What the databases of this machine say; lists and providers are the service's. */
  outsideOf(attacker: string | undefined): Outside
}

export const explainAlerts: Handler = async (asked, io) => {
  const limit = readLimit(asked.option('limit'))
  const records: unknown[] = []
  let more = false
  for await (const { record } of readRecords(asked.argument('file'), io)) {
    more = records.length === limit
    if (more) break
    records.push(record)
  }
  if (records.length === 0)
    throw new Problem('invalid_input', `${asked.argument('file')} holds no record`, {
      remedy: 'give one JSON object, an array of them, or one record a line',
    })
  const named = asked.option('connector')
  const running = await chooseConnector(named, records, io.environment, io.now())
  const file = asked.option('policy') ?? io.environment.CORDON_POLICY
  const judge = await openJudge(asked, file, io)
  const explained = explainAll(running, records, judge)
  answer(asked, io, explained, () =>
    printExplained(io, explained, {
      guessed: named === undefined,
      policy: file,
      rules: judge.policy.rules.length,
    }),
  )
  if (more) io.err(`only the first ${limit} records are shown; --limit shows more\n`)
  return explained.some(({ problem }) => problem) ? 1 : 0
}

async function openJudge(asked: Asked, file: string | undefined, io: Io): Promise<Judge> {
  const text = readPolicyFile(file ?? defaultPolicyFile)
  const told = asked.option('now')
  const at = told === undefined ? undefined : told === 'now' ? io.now() : readTime(told)
  if (told !== undefined && at === undefined)
    throw new Problem('usage', `alert explain: "${printable(told)}" is no time`, {
      remedy: 'write RFC 3339 with a zone, such as 2026-03-01T01:02:03Z, or now',
    })
  const rules = checkSource(readSource(text)).rules
  const whens = new Map(rules.map(({ name, when }) => [name, when]))
  const outsideOf = await openPlacesHere(io)
  return { policy: readPolicy(text), whens, at, now: io.now(), outsideOf }
}

async function openPlacesHere({ environment, now }: Io): Promise<Judge['outsideOf']> {
  const { places: settings } = readSections(environment)
  const places = openPlaces(settings, { now, log: pino({ level: 'silent' }) })
  await places.look()
  return (attacker) => {
    const address = maybeAddress(attacker ?? '')
    if (!address) return nothingOutside
    const { ready, ...place } = places.of(address)
    return { ...nothingOutside, place, ready: placeSources.filter((name) => ready[name]) }
  }
}

/** Alerts of one file see those before them, as alerts that reach the service do. */
function explainAll(
  running: RunningConnector,
  records: readonly unknown[],
  judge: Judge,
): Explained[] {
  const histories = new Map<string, PastAlert[]>()
  return records.map((record, index) => {
    const read = readRecord(running, record, judge.now)
    const about = { record: index + 1, connector: running.connector.name }
    if (read instanceof Problem) return { ...about, problem: read.toJSON(), alerts: [] }
    return { ...about, alerts: read.map((alert) => judgeOne(alert, histories, judge)) }
  })
}

function judgeOne(alert: Alert, histories: Map<string, PastAlert[]>, judge: Judge): Judged {
  const { policy } = judge
  const observed = readTime(alert.observed) ?? judge.now
  const at = judge.at ?? observed
  const key = offender(alert, policy) ?? ''
  const history = histories.get(key) ?? []
  const facts = { ...nothingKnown, history, outside: judge.outsideOf(alert.attacker) }
  const verdict = decide({ alert, facts, policy, now: at })
  if (key !== '') histories.set(key, [toPast(alert), ...history].slice(0, historyLimit))
  return {
    alert,
    earlier: history.length,
    passed: passedRules(alert, observed, facts, verdict, judge),
    verdict,
    sentences: explainVerdict(verdict),
    judged_at: printTime(at),
    too_old_now: judge.at === undefined && judge.now - observed > policy.maxAlertAgeMs,
  }
}

/** None where something came before the rules. */
function passedRules(
  alert: Alert,
  observed: number,
  facts: Facts,
  verdict: Verdict,
  { policy, whens }: Judge,
): Judged['passed'] {
  const unmatched = verdict.reasons.some(({ code }) => code === 'no_rule_matched')
  if (alert.attacker === undefined || (verdict.rule === null && !unmatched)) return []
  const consult = openConsult({ alert, facts, policy, now: observed })
  const attacker = readAddress(alert.attacker)
  const evidence = makeEvidence(alert, attacker, observed, facts, consult)
  const decided = policy.rules.findIndex(({ name }) => name === verdict.rule)
  const before = decided < 0 ? policy.rules : policy.rules.slice(0, decided)
  return before.map((rule) => ({
    rule: rule.name,
    because_not: canMeetPeer(rule, attacker)
      ? whyNot(whens.get(rule.name) ?? '', evidence)
      : `an attacker of IPv${rule.terms?.peerFamily}, as its peer ${rule.terms?.scope.peer} is`,
  }))
}

/** All that is known without a service. */
const nothingKnown: Facts = {
  history: [],
  offences: 0,
  own: [],
  blocksInForce: 0,
  blocksLastMinute: 0,
  outside: nothingOutside,
  sheltered: [],
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return shownAtMost
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new Problem('usage', `alert explain: "${printable(text)}" is no number of records`, {
    remedy: 'write --limit 100',
  })
}
