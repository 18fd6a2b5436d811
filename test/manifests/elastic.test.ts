/** The manifest for Elastic: what Kibana imports hangs together, and what its template prints is read. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { ManifestFile } from '../../actions/manifest/manifest-file.ts'
import { kindOf, render } from '../../actions/manifest/render.ts'
import { connector } from '../../connectors/elastic/connector.ts'
import { Settings } from '../../connectors/elastic/settings.ts'
import { valuesAt } from '../../connectors/read-path.ts'

const folder = new URL('../../manifests/elastic/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const lines = (name: string): unknown[] =>
  read(name)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

const Reference = z.strictObject({ type: z.string(), id: z.string(), name: z.string() })
const SavedObject = z.strictObject({
  id: z.string(),
  type: z.string(),
  attributes: z.record(z.string(), z.unknown()),
  references: z.array(Reference),
  coreMigrationVersion: z.string(),
  typeMigrationVersion: z.string(),
})

const Alerts = z.strictObject({ alerts: z.array(z.looseObject({ _id: z.string() })) })

describe('what Kibana posts', () => {
  const RuleActions = z.strictObject({
    action: z.literal('edit'),
    query: z.string(),
    edit: z.tuple([
      z.strictObject({
        type: z.literal('add_rule_actions'),
        value: z.strictObject({
          actions: z.tuple([
            z.strictObject({
              id: z.string(),
              group: z.literal('default'),
              params: z.strictObject({ body: z.string() }),
              frequency: z.strictObject({
                summary: z.literal(true),
                notifyWhen: z.literal('onActiveAlert'),
                throttle: z.null(),
              }),
            }),
          ]),
        }),
      }),
    ]),
  })
  const [{ value }] = RuleActions.parse(JSON.parse(read('rule-actions.json'))).edit
  const [action] = value.actions
  const settings = Settings.parse({})

  for (const count of [0, 1, 3])
    test(`with ${count} alerts is read as ${count} alerts, whatever stands in them`, () => {
      const alerts = Array.from({ length: count }, (_, n) => alert(n))
      const posted: unknown = JSON.parse(print(action.params.body, { context: { alerts } }))
      const found = connector.read?.(posted, { settings, now: Date.UTC(2026, 6, 1) }) ?? []
      assert.deepEqual(
        found.map(({ attacker, user }) => [attacker, user]),
        alerts.map(({ source, user }) => [source.ip, printable(user.name)]),
      )
      assert.equal(Alerts.parse(posted).alerts.length, count)
    })

  test('would be no JSON with two braces, or without the brackets', () => {
    const context = { alerts: [alert(1), alert(2)] }
    for (const body of [
      action.params.body.replace('{{{', '{{').replace('}}}', '}}'),
      action.params.body.replace('[', '').replace(']', ''),
    ])
      assert.throws(() => JSON.parse(print(body, { context })), SyntaxError)
  })

  test('goes by the connector that is imported, which has no secret and says so', () => {
    const [text] = read('connector.ndjson').trimEnd().split('\n')
    const url = 'https://cordon.example:8055'
    const filled = render(text ?? '', kindOf('connector.ndjson'), { url })
    const { id, type, attributes } = SavedObject.parse(JSON.parse(filled))
    assert.deepEqual([id, type], [action.id, 'action'])
    assert.deepEqual(attributes, {
      actionTypeId: '.webhook',
      name: 'Cordon',
      isMissingSecrets: true,
      config: {
        method: 'post',
        url: `${url}/v1/alerts/elastic`,
        headers: { 'content-type': 'application/json' },
        hasAuth: false,
      },
      secrets: {},
    })
  })
})

describe('the dashboard', () => {
  const objects = lines('dashboard.ndjson').map((line) => SavedObject.parse(line))
  const dashboard = objects.find(({ type }) => type === 'dashboard')
  const template: unknown = JSON.parse(read('index-template.json'))
  const Column = z.looseObject({ sourceField: z.string(), isBucketed: z.boolean() })
  const Layer = z.looseObject({
    columns: z.record(z.string(), Column),
    columnOrder: z.array(z.string()),
  })
  const Panel = z.looseObject({
    type: z.enum(['lens', 'search']),
    panelIndex: z.string(),
    panelRefName: z.string().optional(),
    gridData: z.strictObject({
      x: z.int().min(0),
      y: z.int().min(0),
      w: z.int().min(1),
      h: z.int().min(1),
      i: z.string(),
    }),
    embeddableConfig: z.looseObject({
      attributes: z
        .looseObject({
          visualizationType: z.enum(['lnsMetric', 'lnsXY', 'lnsDatatable']),
          references: z.array(Reference),
          state: z.looseObject({
            visualization: z.unknown(),
            query: z.strictObject({ query: z.string(), language: z.literal('kuery') }),
            datasourceStates: z.strictObject({
              formBased: z.strictObject({ layers: z.record(z.string(), Layer) }),
            }),
          }),
        })
        .optional(),
    }),
  })
  const panels = z.array(Panel).parse(JSON.parse(String(dashboard?.attributes.panelsJSON)))
  const isMapped = (field: string) =>
    valuesAt(template, `template.mappings.properties.${field.replaceAll('.', '.properties.')}.type`)
      .length > 0

  test('comes after what it refers to, and every reference leads to something', () => {
    assert.equal(objects.at(-1), dashboard)
    const there = new Set(objects.map(({ type, id }) => `${type}/${id}`))
    const references = objects.flatMap((one) => one.references)
    assert.ok(references.length > panels.length)
    for (const { type, id } of references) assert.ok(there.has(`${type}/${id}`), `${type}/${id}`)
  })

  test('names each reference of a panel as Kibana looks for it', () => {
    const names = dashboard?.references.map(({ name }) => name)
    const wanted = panels.flatMap(({ panelIndex, panelRefName, embeddableConfig }) => [
      ...(panelRefName === undefined ? [] : [`${panelIndex}:${panelRefName}`]),
      ...(embeddableConfig.attributes?.references ?? []).map(({ name }) => `${panelIndex}:${name}`),
    ])
    assert.deepEqual(names, wanted)
  })

  test('asks for fields that the data stream has, in columns that its charts show', () => {
    const seen: string[] = []
    for (const { embeddableConfig } of panels) {
      const { state } = embeddableConfig.attributes ?? {}
      for (const { columns, columnOrder } of Object.values(
        state?.datasourceStates.formBased.layers ?? {},
      )) {
        assert.deepEqual(columnOrder.toSorted(), Object.keys(columns).toSorted())
        const buckets = columnOrder.map((id) => columns[id]?.isBucketed)
        assert.deepEqual(
          buckets,
          buckets.toSorted((a, b) => Number(b) - Number(a)),
          'buckets first',
        )
        const fields = Object.values(columns).map(({ sourceField }) => sourceField)
        seen.push(...fields.filter((field) => field !== '___records___'))
        const shown = JSON.stringify(state?.visualization)
        for (const id of columnOrder) assert.ok(shown.includes(`"${id}"`), id)
      }
      const asked = [...(state?.query.query ?? '').matchAll(/([\w.]+):/g)]
      seen.push(...asked.map(([, field = '']) => field))
    }
    const search = objects.find(({ type }) => type === 'search')
    seen.push(...z.array(z.string()).parse(search?.attributes.columns))
    assert.ok(seen.length > 10)
    for (const field of new Set(seen)) assert.ok(isMapped(field), field)
  })

  test('has panels that do not lie over one another', () => {
    const cells = new Set<string>()
    for (const { gridData } of panels) {
      assert.ok(gridData.x + gridData.w <= 48)
      for (let x = gridData.x; x < gridData.x + gridData.w; x++)
        for (let y = gridData.y; y < gridData.y + gridData.h; y++) {
          assert.ok(!cells.has(`${x},${y}`), `${gridData.i} at ${x},${y}`)
          cells.add(`${x},${y}`)
        }
    }
  })
})

test('the manifest is one that "cordon manifest" can install, and a page at most', () => {
  const { parts } = ManifestFile.parse(parse(read('manifest.yaml')))
  for (const { from } of parts.main?.files ?? []) assert.ok(existsSync(new URL(from, folder)), from)
  assert.ok(read('README.md').split('\n').length <= 80)
})

const nasty = 'a "quoted" \\ name\nwith {{braces}} and ], and } \u2028'

function alert(n: number) {
  const id = n.toString(16).padStart(64, '0')
  return {
    _id: id,
    _index: '.internal.alerts-security.alerts-default-000001',
    '@timestamp': '2026-07-01T10:00:00.000Z',
    source: { ip: `203.0.113.${n + 1}` },
    user: { name: n === 1 ? nasty : 'root' },
    kibana: {
      alert: { uuid: id, severity: 'high', rule: { name: 'SSH', rule_id: 'ssh' } },
      space_ids: ['default'],
    },
    signal: { rule: { name: 'SSH' } },
  }
}

/**
 * Mustache as Kibana's webhook connector renders a body: an object or an array prints as text, an array its items with
 * commas between; two braces escape for the inside of a JSON text, three do not.
 */
function print(body: string, variables: object): string {
  const text = (path: string) => valuesAt(variables, path).map(textOf).join('')
  return body
    .replace(/\{\{\{([\w.]+)\}\}\}/g, (_, path: string) => text(path))
    .replace(/\{\{([\w.]+)\}\}(?!\})/g, (whole, path: string) =>
      valuesAt(variables, path).length === 0 ? whole : JSON.stringify(text(path)).slice(1, -1),
    )
}

function textOf(value: unknown): string {
  return Array.isArray(value)
    ? value.map(textOf).join(',')
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value)
}
