/** How a body that follows no product is mapped to an alert. */
import { z } from 'zod'
import { listOf } from '#contract/settings.ts'

const Paths = listOf(z.string().min(1).max(200))

function paths(description: string, ...defaults: string[]) {
  return z
    .preprocess((value) => (typeof value === 'string' ? [value] : value), Paths)
    .prefault(defaults)
    .meta({ description })
}

/** Each field is a dotted path, or several of which the first that holds something counts. */
const Mappings = z.strictObject({
  attacker: paths(
    'host, or a list of hosts',
    'attacker',
    'attacker.ip',
    'attacker.address',
    'src_ip',
    'source.ip',
    'srcip',
    'source_ip',
    'sourceIp',
    'src',
    'client_ip',
    'remote_ip',
    'ip',
  ),
  rule_id: paths('rule', 'rule.id', 'rule_id', 'rule', 'signature_id'),
  rule_name: paths(
    "the rule's name",
    'rule.name',
    'rule.description',
    'rule_name',
    'signature',
    'title',
    'name',
    'message',
  ),
  severity: paths('number or word', 'severity', 'rule.severity', 'event.severity', 'urgency'),
  observed: paths(
    'RFC 3339, epoch seconds or epoch milliseconds',
    'observed',
    'timestamp',
    '@timestamp',
    'time',
    '_time',
  ),
  user: paths('account', 'user', 'user.name', 'username'),
  victim_address: paths(
    'host that was attacked',
    'victim',
    'victim.address',
    'victim.ip',
    'dest_ip',
    'destination.ip',
    'dstip',
  ),
  victim_host: paths('its name', 'victim.host', 'host', 'host.name', 'hostname'),
  victim_port: paths('its port', 'victim.port', 'dest_port', 'destination.port', 'dstport'),
  id: paths('what makes the record unique at its source; without it, the content does'),
  groups: paths('labels', 'groups', 'rule.groups', 'tags'),
  count: paths('events that the record stands for', 'count'),
})

const Severity = z.number().min(0).max(100)

export const Settings = z.strictObject({
  records: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'path to the array of records; without it the body is one, or an array' }),
  mappings: Mappings.prefault({}),
  severity_scale: z
    .record(z.string(), Severity)
    .prefault({ info: 10, informational: 10, low: 25, medium: 55, high: 80, critical: 95 })
    .meta({
      description: "the sender's words or numbers for 0 to 100; other numbers are taken as is",
    }),
  severity: Severity.default(50).meta({ description: 'for a record that tells none' }),
})
export type Settings = z.output<typeof Settings>
