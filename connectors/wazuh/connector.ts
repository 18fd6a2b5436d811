/** Alerts of Wazuh 4.x: lines of alerts.json, objects that integratord pushes, documents of the indexer. */
import { z } from 'zod'
import type { Alert } from '#contract/alert.ts'
import type { Connector, ReadContext } from '#contract/connector.ts'
import { listOf } from '#contract/settings.ts'
import { readTime } from '#contract/time.ts'
import { followFile } from '../follow-file.ts'
import type { Seen } from '../make-alerts.ts'
import { makeAlerts } from '../make-alerts.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'
import { isObject, numberAt, textAt, textsAt } from '../read-path.ts'
import { isBlank, notUnderstood, readObject } from '../read-record.ts'
import { judgeSides } from '../suricata/direction.ts'
import { HomeNets } from '../suricata/home-nets.ts'
import { suricataSeverity } from '../suricata/severity.ts'
import { testFiles } from '../test-files.ts'
import { readOrder } from './active-response.ts'
import { findSides, findUser } from './attacker.ts'
import { wazuhSeverity } from './severity.ts'

const Settings = z.strictObject({
  files: listOf(z.string().min(1))
    .prefault([])
    .meta({ description: 'paths of alerts.json to follow' }),
  from: z
    .enum(['end', 'start'])
    .default('end')
    .meta({ description: 'where to begin in a file that was never read before' }),
  manager: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'name of the manager for records that carry none' }),
  home_nets: HomeNets,
})
type Settings = z.output<typeof Settings>

const expected = 'one alert of Wazuh (an object with rule, agent and timestamp)'

export const connector: Connector<Settings> = {
  name: 'wazuh',
  title: 'Wazuh',
  settings: Settings,
  read,
  order: (record, context) => readOrder(record, (alert) => read(alert, context)),
  sources: ({ files, from }) =>
    files.map((path) => followFile({ key: `wazuh:${path}`, path, from })),
  test: (settings) =>
    testFiles(settings.files, (line) => read(line, { settings, now: Date.now() })),
}

function read(record: unknown, { settings, now }: ReadContext<Settings>): Alert[] {
  if (isBlank(record)) return []
  const given = readObject(record, expected)
  const alert = isObject(given._source) ? given._source : given
  if (!isObject(alert.rule)) return withoutRule(alert)
  const data = isObject(alert.data) ? alert.data : {}
  if (isOurOwn(alert, data)) return []
  return makeAlerts(readAlert(alert, data, settings), record, now)
}

function readAlert(alert: JsonObject, data: JsonObject, settings: Settings): Seen {
  const ruleId = textAt(alert, 'rule.id')
  if (ruleId === undefined) throw notUnderstood('the alert has no rule.id', expected)
  const suricata = isSuricata(data)
  const { attackers, ...victim } = suricata
    ? suricataSides(data, settings)
    : findSides({ data, decoder: textAt(alert, 'decoder.name') ?? '', home: settings.home_nets })
  const agent = pickPeer(textAt(alert, 'agent.ip'))
  const onAgent = !victim.victim && !suricata
  const priority = suricata ? numberAt(data, 'alert.severity') : undefined
  return {
    source: 'wazuh',
    id: idOf(alert, settings.manager),
    observed: timeOf(alert),
    rule: {
      id: ruleId,
      name: textAt(alert, 'rule.description') ?? ruleId,
      severity:
        priority === undefined
          ? wazuhSeverity(numberAt(alert, 'rule.level'))
          : suricataSeverity(priority),
      groups: textsAt(alert, 'rule.groups'),
      mitre: textsAt(alert, 'rule.mitre.id'),
    },
    // A host that is named on both sides attacks nobody: it logged in to itself.
    attackers: attackers.filter(({ text }) => text !== agent?.text),
    victim: {
      address: onAgent ? agent : victim.victim,
      host:
        onAgent || victim.victim?.text === agent?.text ? textAt(alert, 'agent.name') : undefined,
      port: victim.port,
      protocol: suricata ? textAt(data, 'proto') : undefined,
    },
    user: findUser(data),
    count: numberAt(alert, 'rule.frequency') ?? numberAt(data, 'aws.service.count'),
    blocked: suricata && textAt(data, 'alert.action') === 'blocked',
  }
}

/** Archived events look like alerts but no rule matched them. */
function withoutRule(record: JsonObject): [] {
  if (isObject(record.agent) || isObject(record.manager)) return []
  throw notUnderstood('the record has no rule', expected)
}

/** What a block of ours wrote would come back as an attack: the active-response log and our own write-back. */
function isOurOwn(alert: JsonObject, data: JsonObject): boolean {
  return (
    textsAt(alert, 'rule.groups').includes('active_response') ||
    /(^|[\\/])active-responses\.log$/.test(textAt(alert, 'location') ?? '') ||
    textAt(data, 'integration') === 'cordon'
  )
}

function isSuricata(data: JsonObject): boolean {
  return textAt(data, 'event_type') !== undefined && ('src_ip' in data || isObject(data.alert))
}

function suricataSides(data: JsonObject, settings: Settings) {
  const { attacker, ...sides } = judgeSides(data, { home: settings.home_nets, trustXff: false })
  return { attackers: attacker ? [attacker] : [], ...sides }
}

/** `id` is unique only for one node and file. */
function idOf(alert: JsonObject, manager: string | undefined): string[] | undefined {
  const id = textAt(alert, 'id')
  if (id === undefined) return undefined
  return [textAt(alert, 'manager.name') ?? manager ?? '', textAt(alert, 'cluster.node') ?? '', id]
}

/** The id begins with the epoch second, for records that lost their timestamp on the way. */
function timeOf(alert: JsonObject): number | undefined {
  for (const path of ['timestamp', '@timestamp']) {
    const time = readTime(textAt(alert, path) ?? '')
    if (time !== undefined) return time
  }
  const seconds = /^(\d{9,11})\.\d+$/.exec(textAt(alert, 'id') ?? '')?.[1]
  return seconds === undefined ? undefined : Number(seconds) * 1000
}
