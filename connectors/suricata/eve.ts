/** One event of eve.json to what an alert needs. */
import { readTime } from '#contract/time.ts'
import type { Seen } from '../make-alerts.ts'
import type { JsonObject } from '../read-path.ts'
import { isObject, numberAt, textAt, textsAt } from '../read-path.ts'
import { notUnderstood } from '../read-record.ts'
import type { DirectionSettings } from './direction.ts'
import { judgeSides } from './direction.ts'
import { suricataSeverity } from './severity.ts'

export const eveExpected = 'one event of eve.json'

/** Undefined for an event that is no alert. A drop event that embeds its alert is that alert once more. */
export function readEve(event: JsonObject, settings: DirectionSettings): Seen | undefined {
  const type = textAt(event, 'event_type')
  if (type === undefined) throw notUnderstood('the event has no event_type', eveExpected)
  const { alert } = event
  const holdsAlert = type === 'alert' || (type === 'drop' && isObject(alert))
  if (!holdsAlert) return undefined
  const sid = numberAt(event, 'alert.signature_id')
  const observed = readTime(textAt(event, 'timestamp') ?? '')
  if (sid === undefined) throw notUnderstood('the alert has no signature_id', eveExpected)
  if (observed === undefined) throw notUnderstood('the event has no timestamp', eveExpected)
  const gid = numberAt(event, 'alert.gid') ?? 1
  const sides = judgeSides(event, settings)
  return {
    source: 'suricata',
    id: [
      textAt(event, 'host'),
      ...flowOf(event),
      gid,
      sid,
      textAt(event, 'tx_id'),
      observed,
      sides.attacker?.text,
    ],
    observed,
    rule: {
      id: String(sid),
      name: textAt(event, 'alert.signature') ?? `${gid}:${sid}`,
      severity: suricataSeverity(numberAt(event, 'alert.severity')),
      groups: textsAt(event, 'alert.category'),
      mitre: textsAt(event, 'alert.metadata.mitre_technique_id'),
    },
    attackers: sides.attacker ? [sides.attacker] : [],
    victim: { address: sides.victim, port: sides.port, protocol: textAt(event, 'proto') },
    user: undefined,
    blocked: isBlocked(event, type),
  }
}

/** The flow's id, or what identifies a packet outside of a flow. */
function flowOf(event: JsonObject): (string | undefined)[] {
  const flow = textAt(event, 'flow_id')
  if (flow !== undefined) return [flow]
  return ['src_ip', 'src_port', 'dest_ip', 'dest_port', 'proto'].map((key) => textAt(event, key))
}

function isBlocked(event: JsonObject, type: string): boolean {
  return (
    type === 'drop' ||
    textAt(event, 'alert.action') === 'blocked' ||
    textAt(event, 'verdict.action') === 'drop'
  )
}
