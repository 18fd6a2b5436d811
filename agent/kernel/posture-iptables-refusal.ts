/** What of a posture iptables cannot hold as it was meant: the whole posture is refused then. Pure. */
import type { Posture, PostureRule } from '#contract/posture.ts'
import { nameSets, type PostureScript } from '../posture-sets.ts'
import { uncountable } from './hashlimit.ts'
import { postureRules } from './posture-iptables-rules.ts'

/** Each packet that begins something may pass all of them, one after the other. */
const mostLines = 10_000

export function refusesPosture(posture: Posture): string | undefined {
  for (const rule of posture.rules) {
    const why = refusesRule(rule)
    if (why !== undefined) return `${rule.name}: ${why}`
  }
  const lines = linesOf(posture)
  if (lines > mostLines)
    return `iptables would need ${lines} rules for them, and more than ${mostLines} are too many`
  return undefined
}

function refusesRule(rule: PostureRule): string | undefined {
  if (rule.rule === 'state') return undefined
  // A plus at its end would mean all names that begin so, and what begins so is no name but a sign.
  if (rule.interface !== undefined && /^[!-]|\+\*?$/.test(rule.interface))
    return `iptables cannot name the interface ${rule.interface}`
  return rule.rule === 'service' && rule.rate ? uncountable(rule.rate) : undefined
}

/** As if all its times were now. */
function linesOf(posture: Posture): number {
  const rules = posture.rules.map((rule): PostureRule => {
    if (rule.rule === 'state') return rule
    const { during: _, ...always } = rule
    return always
  })
  const script: PostureScript = {
    postures: [{ audience: 'all', version: 0, posture: { ...posture, rules } }],
    networks: () => [],
    here: [],
    now: 0,
  }
  const { chains } = postureRules(script, nameSets(script), 4, (name) => name)
  return Object.values(chains).reduce((sum, lines) => sum + lines.length, 0)
}
