/** `cordon policy simulate`: what a draft would have done with the stored alerts. */
import { Report } from '../simulate/report.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Asked, Handler } from './command.ts'
import { readMoment } from './export.ts'
import { readPolicyFile } from './policy.ts'
import { printReport } from './simulate-print.ts'
import { hear } from './told.ts'

export const simulatePolicy: Handler = async (asked, io) => {
  const file = asked.option('policy')
  const body = {
    since: readMoment(asked.option('since') ?? '7d', io.now()),
    until: readMoment(asked.option('until'), io.now()),
    rule: asked.option('rule'),
    policy: file === undefined ? undefined : readPolicyFile(file),
  }
  const report = await hear(openClient(io.environment), io, '/v1/policy/simulate', body, Report)
  answer(asked, io, report, () => printReport(io, report))
  const failed = failures(asked, report)
  for (const why of failed) io.err(`refused: ${why}\n`)
  return failed.length === 0 ? 0 : 1
}

/** Protected addresses that a rule hits already, and that nothing blocks, are no reason against a draft. */
function failures(asked: Asked, report: Report): string[] {
  const on = asked.options('fail-on')
  const { newly_blocked, protection_lost, protected_hits } = report
  const failed: string[] = []
  if (on.includes('new-blocks') && newly_blocked.addresses > 0)
    failed.push(`${newly_blocked.addresses} addresses would be newly blocked`)
  if (on.includes('protected') && protection_lost.alerts > 0)
    failed.push(`${protection_lost.addresses} addresses that are protected now would be blocked`)
  if (on.includes('protected') && protected_hits.new > 0)
    failed.push(`a rule newly hits protected addresses, by ${protected_hits.new} alerts`)
  return failed
}
