/** What was found about an address, as a verdict with its reasons. */
import type { Intelligence } from '#contract/intelligence.ts'
import { printable } from '#contract/printable.ts'
import { readTime } from '#contract/time.ts'
import type { About, Indicator, Observable } from './about.ts'
import { patternOf, spellings } from './spellings.ts'

export type Bounds = {
  /** Scores from here on are malicious, or suspicious. */
  malicious: number
  suspicious: number
  trustedLabels: readonly string[]
  /** The platform without a slash at the end: where a person reads more. */
  base: string
}

/** The platform's own when nobody gave one. */
const usualScore = 50

/** `found` may hold what belongs to other addresses, which does not count. */
export function judge(found: About, address: string, bounds: Bounds, now: number): Intelligence {
  const about = pick(found, address)
  const live = about.indicators.filter((indicator) => isLive(indicator, now))
  const labels = [...about.observables, ...live].flatMap(labelsOf)
  const trusted = labels.some((label) =>
    bounds.trustedLabels.some((word) => word.toLowerCase() === label.toLowerCase()),
  )
  const score = scoreOf(about, live)
  const link = linkTo(bounds.base, live[0] ?? about.indicators[0], about.observables[0])
  return {
    provider: 'opencti',
    address,
    verdict: trusted ? 'benign' : verdictOf(score, live.length > 0, bounds),
    score,
    trusted,
    tags: tagsOf(about.observables, live, labels),
    summary: printable(summary(about, live, score)),
    ...(link === undefined ? {} : { link }),
  }
}

type Found = { observables: Observable[]; indicators: Indicator[] }

/** An indicator that is found by its pattern and by its observable is one. */
function pick(found: About, address: string): Found {
  const values = new Set(spellings(address))
  const patterns = new Set([...values].map(patternOf))
  const observables = nodes(found.stixCyberObservables).filter((observable) =>
    values.has(observable.observable_value),
  )
  const direct = nodes(found.indicators).filter(({ pattern }) => patterns.has(pattern ?? ''))
  const all = [...direct, ...observables.flatMap(({ indicators }) => nodes(indicators))]
  const indicators = [...new Map(all.map((indicator) => [indicator.id, indicator])).values()]
  return { observables, indicators: indicators.sort((a, b) => liveScore(b) - liveScore(a)) }
}

/** The platform revokes what is past its end within minutes; those minutes do not count either. */
function isLive({ revoked, valid_from, valid_until }: Indicator, now: number): boolean {
  const from = valid_from === null ? undefined : readTime(valid_from)
  const until = valid_until === null ? undefined : readTime(valid_until)
  return !revoked && (from === undefined || from <= now) && (until === undefined || until > now)
}

/** Scores decay by the hour, and are stored by steps. */
function liveScore({ x_opencti_score, decayLiveDetails }: Indicator): number {
  const stored = x_opencti_score ?? usualScore
  return inPercent(Math.min(stored, decayLiveDetails?.live_score ?? stored))
}

/** Where every indicator has ended, the score of the observable is a thing of the past. */
function scoreOf({ observables, indicators }: Found, live: readonly Indicator[]): number {
  if (live.length > 0) return Math.max(...live.map(liveScore))
  if (indicators.length > 0) return 0
  return Math.max(0, ...observables.map(({ x_opencti_score }) => inPercent(x_opencti_score ?? 0)))
}

/** Nothing decays the score of an observable, and anybody overwrites it: alone it makes nobody malicious. */
function verdictOf(score: number, indicated: boolean, bounds: Bounds): Intelligence['verdict'] {
  if (score >= bounds.malicious && indicated) return 'malicious'
  return score >= bounds.suspicious ? 'suspicious' : 'unknown'
}

function tagsOf(
  observables: readonly Observable[],
  live: readonly Indicator[],
  labels: readonly string[],
): string[] {
  const markings = [...observables, ...live].flatMap(({ objectMarking }) => objectMarking ?? [])
  const phases = live.flatMap(({ killChainPhases }) => killChainPhases ?? [])
  const tags = [
    ...labels,
    ...markings.flatMap(({ definition }) => definition ?? []),
    ...phases.map(({ kill_chain_name, phase_name }) => `${kill_chain_name}:${phase_name}`),
    ...indicated(live).map(({ name }) => name),
  ]
  return [...new Set(tags.map((tag) => printable(tag, 100)))].slice(0, 50)
}

function summary({ observables, indicators }: Found, live: readonly Indicator[], score: number) {
  if (observables.length + indicators.length === 0) return 'not known to the platform'
  const best = live[0]
  const reports = observables.flatMap((observable) => nodes(observable.reports))
  const known = indicated(live).map(({ name, entity_type }) => `${name} (${entity_type})`)
  const ended = indicators.length - live.length
  const parts = [
    best ? `score ${score} by ${best.pattern ?? 'an indicator'}` : '',
    best?.valid_until ? `until ${best.valid_until.slice(0, 10)}` : '',
    best?.x_opencti_detection === false ? 'not for detection' : '',
    best === undefined && indicators.length === 0 ? `an observable with score ${score}` : '',
    ended > 0 ? `${ended} revoked or past its end` : '',
    known.length > 0 ? `indicates ${known.slice(0, 5).join(', ')}` : '',
    reports.length > 0 ? `reported in ${reports[0]?.name}` : '',
  ]
  return parts.filter((part) => part !== '').join('; ')
}

function indicated(indicators: readonly Indicator[]): { name: string; entity_type: string }[] {
  const ends = indicators
    .flatMap(({ stixCoreRelationships }) => nodes(stixCoreRelationships))
    .flatMap(({ to }) => (to?.name ? [{ name: to.name, entity_type: to.entity_type ?? '' }] : []))
  return [...new Map(ends.map((end) => [end.name, end])).values()]
}

function linkTo(
  base: string,
  indicator: Indicator | undefined,
  observable: Observable | undefined,
) {
  const at = `${base}/dashboard/observations`
  if (indicator) return `${at}/indicators/${encodeURIComponent(indicator.id)}`
  return observable && `${at}/observables/${encodeURIComponent(observable.id)}`
}

function labelsOf({ objectLabel }: Pick<Indicator, 'objectLabel'>): string[] {
  return (objectLabel ?? []).flatMap(({ value }) => value ?? [])
}

export function nodes<T>(connection: { edges: ({ node: T } | null)[] | null } | null): T[] {
  return (connection?.edges ?? []).flatMap((edge) => (edge === null ? [] : [edge.node]))
}

function inPercent(score: number): number {
  return Math.min(100, Math.max(0, score))
}
