/** Tells TheHive: a question becomes an alert, and what is said to it elsewhere a comment that settles it. */
import type { Publisher } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { reviewType } from './alert.ts'
import { openTheHive, type TheHive } from './client.ts'
import { noticeAlert, noticeComment, reviewAlert } from './describe.ts'
import type { Verb } from './said.ts'
import type { Settings } from './settings.ts'
import { askAgain, settle } from './settle.ts'

/** Nobody is told of these by themselves: they go with a question. */
const followUps = /^decision\./

/** Throws `setting_invalid`. */
export function publishToTheHive(settings: Settings): Publisher {
  const hive = openTheHive(settings)
  return {
    channel: settings,
    publish: async (notices, stop) => {
      // In order, and each harmless when it is told again.
      for (const notice of notices) await tell(hive, settings, notice, stop)
    },
  }
}

async function tell(
  hive: TheHive,
  settings: Settings,
  notice: Notice,
  stop: AbortSignal,
): Promise<void> {
  if (notice.event === 'decision.wait') {
    await hive.create(reviewAlert(notice, settings), stop)
    return
  }
  if (!followUps.test(notice.event)) {
    await hive.create(noticeAlert(notice), stop)
    return
  }
  const alert = await hive.find(reviewType, notice.subject, stop)
  if (!alert) return tellAlone(hive, notice, settings, stop)
  const state = stateAfter(notice)
  if (state === 'waiting') await askAgain(hive, settings, alert, stop)
  else if (state !== undefined) await settle(hive, settings, alert, verbOf(state), stop)
  const { text, mark } = noticeComment(notice)
  const said = await hive.comments(alert._id, stop)
  if (!said.some((one) => one.includes(mark))) await hive.comment(alert._id, text, stop)
}

/** Whoever asks for more events than those of questions, such as every block, gets an alert for each. */
async function tellAlone(
  hive: TheHive,
  notice: Notice,
  settings: Settings,
  stop: AbortSignal,
): Promise<void> {
  const asked = ['decision.issue', 'decision.lift', 'decision.expire', 'decision.prolong']
  const wanted = settings.events.some((pattern) => pattern === notice.event || pattern === '*')
  if (wanted && asked.includes(notice.event)) await hive.create(noticeAlert(notice), stop)
}

/** Undefined where the event left the decision as it was. */
function stateAfter({ details: { after } }: Notice): string | undefined {
  const state =
    typeof after === 'object' && after !== null ? Reflect.get(after, 'state') : undefined
  return typeof state === 'string' ? state : undefined
}

function verbOf(state: string): Verb {
  return state === 'issued' || state === 'applied' ? 'approve' : 'decline'
}
