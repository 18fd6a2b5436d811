/** What happened to a decision, told in the cases that hold its alerts. */
import { isDecisionId } from '#contract/action.ts'
import { severityName } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import { attachAlert, type Comment, commentOnce, openCase } from './cases.ts'
import { commentOf, markerOf, outcomeOf } from './outcome.ts'
import { orRefuse, type Place, type Refuse, type Told } from './told.ts'

/**
 * Comments in the order of the results. That an alert was judged is told by its tag: it would say the same as the
 * decision that follows.
 */
export async function tell(place: Place, told: readonly Told[], refuse: Refuse): Promise<void> {
  const { kibana, space, settings, signal } = place
  const comments = new Map<string, { comment: Comment; result: string }[]>()
  for (const one of told) {
    const { result, decision, alerts } = one
    if (!result.action.startsWith('decision.') || alerts.length === 0) continue
    const cases = new Set(alerts.flatMap((alert) => alert.cases))
    if (settings.cases === 'create' && deservesCase(one))
      await orRefuse([result.id], refuse, async () => {
        cases.add(await ownCase(place, one))
      })
    const comment = { marker: markerOf(result), text: commentOf(result, decision), at: result.at }
    for (const id of cases)
      comments.set(id, [...(comments.get(id) ?? []), { comment, result: result.id }])
  }
  for (const [id, due] of comments)
    await orRefuse(
      due.map(({ result }) => result),
      refuse,
      () =>
        commentOnce(
          kibana,
          space,
          id,
          due.map(({ comment }) => comment),
          signal,
        ),
    )
}

/** A block, or a question: for what is only watched, nobody opens a case. */
function deservesCase({ result, decision }: Told): boolean {
  return isDecisionId(decision.id) && ['blocked', 'waiting'].includes(outcomeOf(result, decision))
}

async function ownCase({ kibana, space, signal }: Place, told: Told): Promise<string> {
  const { result, decision, alerts } = told
  const severity = Math.max(...result.alerts.map(({ rule }) => rule.severity))
  const id = await openCase(
    kibana,
    space,
    {
      tag: `cordon:${decision.id}`,
      title: printable(`Cordon: ${decision.target ?? decision.id}`, 160),
      description: `What Cordon decided of ${decision.target ?? 'these alerts'}. Decision ${decision.id}.`,
      severity: severityName(severity),
    },
    signal,
  )
  for (const alert of alerts)
    if (!alert.cases.includes(id)) await attachAlert(kibana, space, id, alert, signal)
  return id
}
