/**
 * Everything in the repository that follows from schemas: the API document, JSON Schemas of the contract, and the tables of
 * the README. `npm run manifests` writes them, and a test says when one is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { Action } from '#contract/action.ts'
import { Alert } from '#contract/alert.ts'
import { EnvelopeClaims, HeadClaims } from '#contract/envelope.ts'
import { Notice } from '#contract/notice.ts'
import { Heartbeat, Receipt } from '#contract/receipt.ts'
import { type SettingRow, settingRows } from '#contract/settings.ts'
import { SnapshotClaims } from '#contract/snapshot.ts'
import { printReference } from '../../actions/command/help.ts'
import { agentPrefix } from '../../actions/command/read-startup.ts'
import { table } from '../../actions/command/table.ts'
import { ListSettings } from '../../actions/facts/lists/settings.ts'
import { connectorNames, connectorPrefix, importConnector } from '../../actions/load-connectors.ts'
import { sections } from '../../actions/sections.ts'
import { ServiceSettings, servicePrefix } from '../../actions/settings.ts'
import { AgentSettings } from '../../agent/settings.ts'
import { openTestService } from '../service.ts'
import { elasticFiles } from './elastic.ts'
import { hostsTable, testedTable } from './hosts.ts'
import { openCtiFiles } from './opencti.ts'
import { shuffleFiles } from './shuffle.ts'
import { splunkSoarFiles } from './splunk-soar.ts'
import { xsoarFiles } from './xsoar.ts'

const root = new URL('../../', import.meta.url)

/** Contents by path from the root of the repository. */
export async function generate(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const api = await apiDocument()
  files.set('manifests/openapi.json', json(api))
  for (const [path, content] of [
    ...elasticFiles(),
    ...openCtiFiles(),
    ...shuffleFiles(api),
    ...splunkSoarFiles(),
    ...xsoarFiles(),
  ])
    files.set(path, content)
  for (const [name, schema] of Object.entries(schemas))
    files.set(`manifests/schemas/${name}.json`, json(toSchema(schema)))
  const readme = readFileSync(new URL('README.md', root), 'utf8')
  const filled = fillIn(readme, 'settings', await settingsTables())
  files.set('README.md', fillIn(filled, 'tested', testedTable()))
  const hosts = readFileSync(new URL('manifests/README.md', root), 'utf8')
  files.set('manifests/README.md', fillIn(hosts, 'hosts', hostsTable()))
  files.set('COMMANDS.md', `# Commands\n\n${printReference(table).trim()}\n`)
  return files
}

const schemas = {
  action: Action,
  alert: Alert,
  'envelope-claims': EnvelopeClaims,
  'head-claims': HeadClaims,
  heartbeat: Heartbeat,
  notice: Notice,
  receipt: Receipt,
  'snapshot-claims': SnapshotClaims,
}

function toSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
}

async function apiDocument(): Promise<unknown> {
  const service = await openTestService()
  try {
    return await (await service.app.request('/openapi.json')).json()
  } finally {
    await service.close()
  }
}

async function settingsTables(): Promise<string> {
  const parts = [
    printTable('Service', settingRows(ServiceSettings, servicePrefix)),
    printTable('Agent', settingRows(AgentSettings, agentPrefix)),
    ...Object.values(sections).map(({ title, schema, prefix }) =>
      printTable(title, settingRows(schema, prefix)),
    ),
    printListTable(settingRows(ListSettings, '')),
  ]
  for (const name of connectorNames()) {
    const { title, settings } = await importConnector(name)
    if (settings instanceof z.ZodObject)
      parts.push(printTable(`Connector ${title}`, settingRows(settings, connectorPrefix(name))))
  }
  return parts.join('\n')
}

function printTable(title: string, rows: readonly SettingRow[]): string {
  const lines = rows.map(
    ({ key, environment, default: value, description }) =>
      `| \`${key}\` | \`${environment}\` | ${value === '' ? '' : `\`${value}\``} | ${cell(description)} |`,
  )
  return `**${title}**\n\n| setting | environment | default | what |\n| --- | --- | --- | --- |\n${lines.join('\n')}\n`
}

/** Each entry of the section `lists`; there are no names in the environment for what is a list of lists. */
function printListTable(rows: readonly SettingRow[]): string {
  const lines = rows.map(
    ({ key, default: value, description }) =>
      `| \`${key}\` | ${value === '' ? '' : `\`${value}\``} | ${cell(description)} |`,
  )
  return `**Lists**, each in the section \`lists\` of the settings file\n\n| setting | default | what |\n| --- | --- | --- |\n${lines.join('\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** Between `<!-- name -->` and `<!-- /name -->`. */
function fillIn(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`a README has no place for ${name}`)
  return `${text.slice(0, from + begin.length)}\n${content.trim()}\n${text.slice(to)}`
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

if (import.meta.main)
  for (const [path, content] of await generate()) {
    writeFileSync(new URL(path, root), content)
    console.log(path)
  }
