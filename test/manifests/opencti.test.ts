/** The manifest for OpenCTI: its catalogue can read it, its forms lead to the settings that they show, and the stack starts. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Asked } from '../../actions/command/command.ts'
import { readStartup } from '../../actions/command/read-startup.ts'
import { importConnector, loadConnectors } from '../../actions/load-connectors.ts'
import { readManifest } from '../../actions/manifest/read-manifests.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, 'manifests/opencti')
const samples = join(root, '../shared/contracts/opencti-samples/catalog')
const skip = existsSync(samples) ? false : `no samples of the platform's catalogue at ${samples}`
/** Without an option. */
const asked: Asked = {
  argument: () => '',
  words: () => [],
  option: () => undefined,
  options: () => [],
  required: () => '',
  flag: () => false,
  json: false,
  rest: [],
}

const Property = z.looseObject({
  type: z.enum(['string', 'boolean', 'integer', 'array']),
  description: z.string(),
  default: z.unknown().optional(),
  format: z.string().optional(),
  writeOnly: z.boolean().optional(),
  deprecated: z.boolean().optional(),
})
const Schema = z.strictObject({
  $schema: z.literal('https://json-schema.org/draft/2020-12/schema'),
  $id: z.string(),
  type: z.literal('object'),
  properties: z.record(z.string(), Property),
  required: z.array(z.string()),
  additionalProperties: z.literal(true),
})
const Manifest = z.looseObject({
  slug: z.string(),
  short_description: z.string().max(250),
  use_cases: z.array(z.string()).min(1).max(3),
  solution_categories: z.array(z.string()).min(1).max(3),
  license_type: z.string(),
  container_type: z.string(),
})

function read(path: string, from = folder): unknown {
  return JSON.parse(readFileSync(join(from, path), 'utf8'))
}

function keysOf(path: string): string[] {
  return Object.keys(z.record(z.string(), z.unknown()).parse(read(path, samples))).sort()
}

const connectors = [
  { name: 'opencti', at: 'enrichment', sample: 'ipinfo', stream: {} },
  {
    name: 'opencti-stream',
    at: 'stream',
    sample: 'akamai',
    stream: { CONNECTOR_LIVE_STREAM_ID: '3d9e5b71-0c84-4a6f-b2d8-5f17e6a90c42' },
  },
]

for (const { name, at, sample, stream } of connectors)
  describe(`what the catalogue shows of ${name}`, () => {
    const manifest = Manifest.parse(read(`${at}/__metadata__/connector_manifest.json`))
    const schema = Schema.parse(read(`${at}/__metadata__/connector_config_schema.json`))

    test('has the keys and the words of every connector there', { skip }, () => {
      assert.deepEqual(Object.keys(manifest).sort(), keysOf(`${sample}/connector_manifest.json`))
      const words = z
        .looseObject({
          properties: z.looseObject({
            use_cases: z.object({ items: z.object({ enum: z.array(z.string()) }) }),
            solution_categories: z.object({ items: z.object({ enum: z.array(z.string()) }) }),
            license_type: z.object({ enum: z.array(z.string()) }),
            image_type: z.object({ enum: z.array(z.string()) }),
          }),
        })
        .parse(read('manifest_fragment.schema.json', samples)).properties
      for (const word of manifest.use_cases) assert.ok(words.use_cases.items.enum.includes(word))
      for (const word of manifest.solution_categories)
        assert.ok(words.solution_categories.items.enum.includes(word))
      assert.ok(words.license_type.enum.includes(manifest.license_type))
      assert.ok(words.image_type.enum.includes(manifest.container_type))
    })

    test('has a form of the kind that the platform shows', { skip }, () => {
      assert.deepEqual(Object.keys(schema).sort(), keysOf(`${sample}/connector_config_schema.json`))
    })

    test('is flat, keeps its secrets, and names nothing that the platform sets itself', () => {
      assert.doesNotMatch(JSON.stringify(schema), /"(anyOf|oneOf|\$ref)"/)
      assert.equal(schema.properties.CONNECTOR_ID, undefined)
      assert.equal(
        schema.$id,
        `https://www.filigran.io/connectors/${manifest.slug}_config.schema.json`,
      )
      assert.equal(schema.properties.CONNECTOR_TYPE?.default, manifest.container_type)
      for (const key of schema.required) assert.ok(schema.properties[key], key)
      for (const [key, property] of Object.entries(schema.properties))
        if (/TOKEN|PASS|_KEY$/.test(key))
          assert.deepEqual([property.format, property.writeOnly], ['password', true], key)
    })

    test('filled in as it is leads to the settings of who fills in nothing', async () => {
      const required = {
        OPENCTI_URL: 'https://opencti.example.org',
        OPENCTI_TOKEN: 'secret',
        ...stream,
        CONNECTOR_TYPE: manifest.container_type,
      }
      // The platform hands on lists joined by commas, and everything as text.
      const filled = Object.entries(schema.properties).flatMap(([key, { default: given }]) =>
        given === undefined ? [] : [[key, String(given)] as const],
      )
      const whole = { ...Object.fromEntries(filled), ...required }
      const warnings: string[] = []
      const load = async (environment: Record<string, string>) =>
        (await loadConnectors([name], {}, environment, (text) => warnings.push(text))).get(name)
          ?.settings
      assert.deepEqual(await load(whole), await load(required))
      assert.deepEqual(warnings, [])
      await readStartup(asked, whole)
    })

    test('has a sample of its settings that the service takes', async () => {
      const { connectorSections } = await readStartup(asked, {
        CORDON_SETTINGS: join(folder, at, 'config.yaml'),
      })
      const running = await loadConnectors([], connectorSections, {})
      assert.deepEqual([...running.keys()], [name])
      assert.match(
        readFileSync(join(folder, at, 'config.yaml'), 'utf8'),
        /in a file that CORDON_OPENCTI_\w*TOKEN_FILE names/,
      )
    })

    test('has a sample that shows the defaults as they are', async (t) => {
      const text = readFileSync(join(folder, at, 'config.yaml'), 'utf8')
      const file = join(temporary(t), 'config.yaml')
      const keys = await keysOfSettings(name)
      writeFileSync(
        file,
        text.replaceAll(/^ {4}# (\w+: \S.*)$/gm, (line, setting: string) => {
          const [key = ''] = setting.split(':')
          return keys.has(key) ? `    ${setting}` : line
        }),
      )
      const sections = async (path: string) =>
        (await readStartup(asked, { CORDON_SETTINGS: path })).connectorSections
      const whole = await sections(file)
      assert.ok(Object.keys(whole[name] ?? {}).length > 10)
      const settings = async (given: typeof whole) =>
        (await loadConnectors([], given, {})).get(name)?.settings
      assert.deepEqual(
        await settings(whole),
        await settings(await sections(join(folder, at, 'config.yaml'))),
      )
    })
  })

test('the catalogue of the platform holds both, in its own shape', { skip }, () => {
  const Catalogue = z.looseObject({ contracts: z.array(z.looseObject({ slug: z.string() })) })
  const catalogue = Catalogue.parse(read('catalog.json'))
  const theirs = Catalogue.parse(read('platform-catalog-sample.json', samples))
  assert.deepEqual(Object.keys(catalogue).sort(), Object.keys(theirs).sort())
  const known = new Set(theirs.contracts.flatMap((contract) => Object.keys(contract)))
  for (const [n, contract] of catalogue.contracts.entries()) {
    const at = connectors[n]?.at
    const manifest = Manifest.parse(read(`${at}/__metadata__/connector_manifest.json`))
    const schema = read(`${at}/__metadata__/connector_config_schema.json`)
    assert.deepEqual(contract, { ...manifest, config_schema: schema })
    for (const key of known) assert.ok(key in contract, key)
  }
  assert.equal(new Set(catalogue.contracts.map(({ slug }) => slug)).size, 2)
})

describe('the stack', () => {
  const Compose = z.object({
    services: z.object({
      cordon: z.looseObject({
        environment: z.record(z.string(), z.string()),
        volumes: z.array(z.string()),
        secrets: z.array(z.string()),
      }),
    }),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
  })
  const compose = Compose.parse(parse(filledIn('compose.yaml')))

  test('starts with settings that the service takes, both connectors, and its keys in a volume', async (t) => {
    const { environment, volumes, secrets } = compose.services.cordon
    assert.ok(volumes.includes('cordon:/var/lib/cordon'))
    assert.deepEqual(secrets, Object.keys(compose.secrets))
    const dir = temporary(t)
    writeFileSync(join(dir, 'cordon.yaml'), filledIn('cordon.yaml'))
    for (const secret of secrets) writeFileSync(join(dir, secret), `token-of-${secret}\n`)
    const inside = Object.entries(environment).map(([key, value]) => [
      key,
      value.replace(/^\/(etc\/cordon|run\/secrets)/, dir),
    ])
    const startup = await readStartup(asked, Object.fromEntries(inside))
    const running = await loadConnectors([], startup.connectorSections, startup.environment)
    assert.deepEqual([...running.keys()], ['opencti', 'opencti-stream'])
    const tokens = [...running.values()].map(
      ({ settings }) => z.looseObject({ token: z.string() }).parse(settings).token,
    )
    assert.deepEqual(tokens, ['token-of-opencti_token', 'token-of-opencti_stream_token'])
    assert.deepEqual(
      [...running.values()].flatMap(({ connector, settings }) =>
        (connector.sinks?.(settings) ?? []).map(({ key }) => key),
      ),
      ['opencti/sightings'],
    )
  })

  test('is of an image that holds everything that the program imports', () => {
    const docker = readFileSync(join(folder, 'Dockerfile'), 'utf8')
    const copied = [...docker.matchAll(/^COPY (.+) \S+$/gm)].flatMap(
      ([, from]) => from?.split(' ') ?? [],
    )
    for (const path of copied) assert.ok(existsSync(join(root, path)), path)
    const ignored = readFileSync(join(folder, 'Dockerfile.dockerignore'), 'utf8').split('\n')
    for (const path of copied) assert.ok(!ignored.includes(path), path)
    const wanted = new Set(['cordon.ts', 'package.json'])
    for (const from of [
      'cordon.ts',
      'start.ts',
      ...sourcesIn('actions'),
      ...sourcesIn('agent'),
      ...sourcesIn('connectors'),
    ])
      for (const [, to = ''] of readFileSync(join(root, from), 'utf8').matchAll(
        /from '(\.\.?\/[^']+|#contract\/[^']+)'|import\('(\.[^']+)'\)/g,
      ))
        if (to !== '') wanted.add(to.startsWith('#') ? to.slice(1) : join(dirname(from), to))
    for (const path of wanted)
      assert.ok(
        copied.some((one) => path === one || path.startsWith(`${one}/`)),
        `${path} is not copied`,
      )
  })
})

async function keysOfSettings(name: string): Promise<Set<string>> {
  const { settings } = await importConnector(name)
  assert.ok(settings instanceof z.ZodObject)
  return new Set(Object.keys(settings.shape))
}

function sourcesIn(path: string): string[] {
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(path, name))
}

/** With the values of the manifest's own examples. */
function filledIn(name: string): string {
  const { settings } = readManifest('opencti').file
  return readFileSync(join(folder, name), 'utf8').replaceAll(/\{\{(\w+)\}\}/g, (_, key: string) => {
    const value = settings[key]?.example ?? settings[key]?.default
    assert.ok(value !== undefined, key)
    return value
  })
}

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-opencti-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return dir
}
