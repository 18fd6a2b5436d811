/** The one table of commands: from it come the help, the checks of what was typed, and the reference in the README. */
import type { Command } from './command.ts'
import { about } from './tables/about.ts'
import { addresses } from './tables/address.ts'
import { administration } from './tables/administration.ts'
import { agent } from './tables/agent.ts'
import { alerts } from './tables/alert.ts'
import { decisions } from './tables/decision.ts'
import { manifests } from './tables/manifest.ts'
import { nodes } from './tables/node.ts'
import { notices } from './tables/notice.ts'
import { policies } from './tables/policy.ts'
import { postures } from './tables/posture.ts'
import { proposals, reviews } from './tables/review.ts'
import { running } from './tables/run.ts'

export const table: readonly Command[] = [
  ...running,
  ...alerts,
  ...reviews,
  ...decisions,
  ...addresses,
  ...nodes,
  ...agent,
  ...policies,
  ...postures,
  ...proposals,
  ...administration,
  ...notices,
  ...manifests,
  ...about,
]
