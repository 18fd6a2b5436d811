/** Port scans that the sensors of Cordon's own nodes saw, as alerts that the policy judges. */
import { z } from 'zod'
import { readAddress } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import type { Connector, ReadContext } from '#contract/connector.ts'
import { ScanReport } from '#contract/scan.ts'
import { makeAlerts } from '../make-alerts.ts'
import { isBlank, notUnderstood, readObject } from '../read-record.ts'

const Severity = z.coerce.number().int().min(0).max(100)

const Settings = z.strictObject({
  severity: Severity.default(45).meta({ description: 'of a scan of a few ports' }),
  many_ports: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .default(100)
    .meta({ description: 'from this many different ports on the other severity counts' }),
  severity_many: Severity.default(70).meta({ description: 'of a scan of many ports' }),
})
type Settings = z.output<typeof Settings>

const expected = 'a report of the port-scan sensor (an object with node, kind, window and update)'

export const connector: Connector<Settings> = {
  name: 'portscan',
  title: 'Port-scan sensor',
  settings: Settings,
  read,
}

function read(record: unknown, { settings, now }: ReadContext<Settings>): Alert[] {
  if (isBlank(record)) return []
  const { node, ...rest } = readObject(record, expected)
  const report = ScanReport.safeParse(rest)
  const named = z.string().min(1).max(300).safeParse(node)
  if (!named.success || !report.success) {
    const issue = (named.error ?? report.error)?.issues[0]
    const where = named.success ? (issue?.path.join('.') ?? '') : 'node'
    throw notUnderstood(`${where}: ${issue?.message ?? 'not understood'}`, expected)
  }
  return makeAlerts(seen(named.data, report.data, settings), record, now)
}

function seen(node: string, report: ScanReport, settings: Settings) {
  const { window, update, last } = report
  const about = { source: 'portscan', observed: last, victim: { host: node }, user: undefined }
  if (report.kind === 'flood')
    return {
      ...about,
      id: [node, 'flood', window, update],
      rule: rule('port_scan_flood', floodName(report.sources), settings.severity),
      attackers: [],
      count: report.sources,
    }
  const many = report.count >= settings.many_ports
  return {
    ...about,
    id: [node, report.source, window, update],
    rule: rule('port_scan', 'port scan', many ? settings.severity_many : settings.severity),
    attackers: [readAddress(report.source)],
    count: report.count,
  }
}

function rule(id: string, name: string, severity: number) {
  return { id, name, severity, groups: ['recon', 'port_scan'], mitre: ['T1046'] }
}

function floodName(sources: number): string {
  return `more attempts than the sensor can tell apart, of ${sources} sources that may be forged`
}
