/** Who should never be blocked: own scanners, partners, those whom people let go again and again. */
import { readAddress } from '#contract/address.ts'
import { protectionOf } from '../decide/order.ts'
import type { Policy } from '../decide/policy.ts'
import { withProtected } from '../decide/propose.ts'
import type { Observed, SeenAttacker } from './observed.ts'
import { edited, type Proposal } from './proposal.ts'
import type { Surroundings } from './world.ts'

/** So often people let somebody go before it is a habit. */
const habit = 2
/** Alerts, days, and hours of the day in which they fall, of a scanner that runs by the clock. */
const scanner = { alerts: 20, days: 3, hours: 2 }
const fewest = 3

type Found = { address: string; why: string; evidence: string[]; weight: number }

export function proposeProtect(
  text: string,
  policy: Policy,
  around: Surroundings,
  observed: Observed,
): Proposal[] {
  const found = [
    ...letGo(observed),
    ...[...observed.attackers.values()].flatMap((seen) => friendly(seen) ?? []),
  ]
  const open = found.filter(
    ({ address }, at) =>
      found.findIndex((other) => other.address === address) === at &&
      !protectionOf(readAddress(address), { policy, facts: around }),
  )
  return open.flatMap(({ address, why, evidence, weight }): Proposal[] => {
    const next = edited(() => withProtected(text, address, why))
    if (next === undefined) return []
    const says = `never block ${address}`
    const holds = () => true
    return [{ kind: 'protect', subject: address, says, evidence, text: next, weight, holds }]
  })
}

/** Declined or lifted by people, each time that anybody answered. */
function letGo({ answered }: Observed): Found[] {
  const byTarget = Map.groupBy(answered, ({ target }) => target)
  return [...byTarget].flatMap(([address, answers]) => {
    const gone = answers.filter(
      ({ state, end_reason }) => state === 'declined' || end_reason === 'lifted',
    )
    if (gone.length < habit || gone.length < answers.length) return []
    const lifted = gone.filter(({ end_reason }) => end_reason === 'lifted').length
    const people = [...new Set(gone.map(({ actor }) => actor))].sort()
    return {
      address,
      why: `people let it go ${gone.length} times`,
      evidence: [
        `It was lifted ${lifted} times and declined ${gone.length - lifted} times, by ${people.join(', ')}.`,
        'Nobody who answered let it stay blocked.',
      ],
      weight: 1_000 + gone.length,
    }
  })
}

function friendly(seen: SeenAttacker): Found | undefined {
  const { address, alerts, trustedBy } = seen
  if (trustedBy.size > 0 && alerts >= fewest) {
    const by = [...trustedBy].sort().join(', ')
    const evidence = [`${by} knows it as a common service.`, `${alerts} alerts name it.`]
    return { address, why: `${by} knows it as a common service`, evidence, weight: 500 + alerts }
  }
  if (seen.private && seen.wanted >= fewest)
    return {
      address,
      why: 'inside of our own networks',
      evidence: [
        'It lies in a private network, so it is one of your own machines or of a partner.',
        `${seen.wanted} of its ${alerts} alerts were a block or a question, or had been.`,
      ],
      weight: seen.wanted,
    }
  return isScanner(seen)
    ? {
        address,
        why: 'a scanner that runs by the clock',
        evidence: [
          `All of its ${alerts} alerts are scans, none above severity ${seen.severity}.`,
          `They came on ${seen.days.size} days, always in the hours ${hoursOf(seen)} UTC.`,
          'No attack followed.',
        ],
        weight: alerts,
      }
    : undefined
}

function isScanner({ alerts, scans, days, hours, severity }: SeenAttacker): boolean {
  return (
    alerts >= scanner.alerts &&
    scans === alerts &&
    severity < 70 &&
    days.size >= scanner.days &&
    hours.size <= scanner.hours
  )
}

function hoursOf({ hours }: SeenAttacker): string {
  return [...hours]
    .sort((a, b) => a - b)
    .map((hour) => `${hour}:00`)
    .join(' and ')
}
