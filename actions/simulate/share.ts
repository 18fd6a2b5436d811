/** Conditions that several policies have in common are evaluated once an alert: most of a draft is as it was. */
import type { Condition } from '../decide/condition.ts'
import type { Policy } from '../decide/policy.ts'
import { checkSource, readSource } from '../decide/policy-source.ts'

export type Written = { policy: Policy; text: string }

export type Shared = {
  policies: Policy[]
  /** Before each alert. */
  next(): void
}

/** What differs from world to world, and what has to be heard each time since it gives reasons. */
const ownWords = /\b(offences|place|listed|intel)\b/

/** The first is the one with which the others share, as far as they count the same alerts. */
export function shareConditions(read: readonly Written[]): Shared {
  const known = new Map<string, Condition>()
  const now = { alert: 0 }
  const [first] = read
  const policies = read.map(({ policy, text }) => {
    if (!first || !countsAlike(policy, first.policy)) return policy
    const whens = checkSource(readSource(text)).rules.map(({ when }) => when)
    const rules = policy.rules.map((rule, at) => {
      const when = whens[at]
      if (when === undefined || ownWords.test(when)) return rule
      const condition = known.get(when) ?? onceAnAlert(rule.condition, now)
      known.set(when, condition)
      return { ...rule, condition }
    })
    return { ...policy, rules }
  })
  return { policies, next: () => void now.alert++ }
}

function countsAlike(policy: Policy, other: Policy): boolean {
  const [mine, theirs] = [policy.defaults.prefix, other.defaults.prefix]
  return (
    mine[4] === theirs[4] &&
    mine[6] === theirs[6] &&
    policy.maxClockAheadMs === other.maxClockAheadMs
  )
}

/** One that fails is evaluated again: then too it fails. */
function onceAnAlert(condition: Condition, now: { alert: number }): Condition {
  let [alert, answer] = [-1, false]
  return {
    ...condition,
    matches: (evidence) => {
      if (alert === now.alert) return answer
      answer = condition.matches(evidence)
      alert = now.alert
      return answer
    },
  }
}
