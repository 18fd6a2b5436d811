/** An alert and what was made of it, as a document of the Elastic Common Schema 8.17; the vendor's record is left out. */
import type { Alert } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import type { Decision } from '../store/decisions.ts'
import { decisionFields, type EcsDocument, isHostText } from './ecs-parts.ts'

export function alertToEcs(alert: Alert, decision: Decision | undefined): EcsDocument {
  const { attacker, victim, rule } = alert
  const inForce = decision?.state === 'issued' || decision?.state === 'applied'
  const stopped = inForce && decision.measure.action === 'block'
  const hosts = [attacker, victim?.address].filter(isHostText)
  return {
    '@timestamp': alert.received,
    ecs: { version: '8.17.0' },
    event: {
      kind: 'alert',
      category: ['intrusion_detection'],
      type: [stopped ? 'denied' : 'info'],
      action: 'alert.judged',
      outcome: 'success',
      severity: rule.severity,
      start: alert.observed,
      module: 'cordon',
      dataset: 'cordon.alert',
      provider: 'cordon',
    },
    message: messageOf(alert, decision),
    rule: { id: rule.id, name: rule.name },
    ...(isHostText(attacker) && { source: { ip: attacker } }),
    ...victimFields(victim),
    ...(alert.user !== undefined && { user: { name: alert.user } }),
    ...(rule.mitre.length > 0 && {
      threat: { framework: 'MITRE ATT&CK', technique: { id: rule.mitre } },
    }),
    ...(hosts.length > 0 && { related: { ip: [...new Set(hosts)] } }),
    cordon: {
      actor: 'policy',
      subject: alert.id,
      ...(attacker !== undefined && { target: attacker }),
      alert: { id: alert.id, source: alert.source, count: alert.count },
      ...(decision && { decision: decisionFields(decision) }),
    },
  }
}

function messageOf({ rule, attacker }: Alert, decision: Decision | undefined): string {
  const whom = attacker === undefined ? 'nobody that it names' : attacker
  const what = decision ? `${decision.outcome}, ${decision.state} (${decision.id})` : 'not kept'
  return printable(`${rule.name} by ${whom}: ${what}`, 1_000)
}

function victimFields(victim: Alert['victim']): EcsDocument {
  if (victim === undefined) return {}
  const { address, host, port, protocol } = victim
  return {
    destination: {
      ...(isHostText(address) && { ip: address }),
      ...(host !== undefined && { domain: host }),
      ...(port !== undefined && { port }),
    },
    ...(protocol !== undefined && { network: { transport: protocol } }),
  }
}
