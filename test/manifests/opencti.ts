/** What OpenCTI's catalogue wants to know of our two connectors, and samples of their settings: from their schemas. */
import { z } from 'zod'
import { environmentName } from '#contract/settings.ts'
import { connectorPrefix } from '../../actions/load-connectors.ts'
import { Settings as EnrichmentSettings } from '../../connectors/opencti/settings.ts'
import { levels } from '../../connectors/opencti/stix/tlp.ts'
import { Settings as StreamSettings } from '../../connectors/opencti-stream/settings.ts'
import { printJson } from './print-json.ts'

type Described = {
  folder: 'enrichment' | 'stream'
  connector: 'opencti' | 'opencti-stream'
  settings: z.ZodObject
  /** Settings that the platform's own connectors have too, under the name that they have there. */
  names: Readonly<Record<string, string>>
  required: readonly string[]
  /** Beside those that are settings of ours. */
  more: Readonly<Record<string, object>>
  example: Readonly<Record<string, string>>
  manifest: object
}

const platformNames = {
  url: 'OPENCTI_URL',
  token: 'OPENCTI_TOKEN',
  ssl_verify: 'OPENCTI_SSL_VERIFY',
  custom_headers: 'OPENCTI_CUSTOM_HEADERS',
  name: 'CONNECTOR_NAME',
}

const everywhere = {
  contact: null,
  logo: null,
  license_type: 'Free',
  verified: false,
  last_verified_date: null,
  max_confidence_level: 100,
  support_version: '>=6.9.0',
  subscription_link: null,
  source_code: null,
  // The manager gives no volume: a service that forgets its keys at each start is trusted by no node.
  manager_supported: false,
  container_version: 'rolling',
  container_image: 'cordon',
}

const described: readonly Described[] = [
  {
    folder: 'enrichment',
    connector: 'opencti',
    settings: EnrichmentSettings,
    names: {
      ...platformNames,
      scope: 'CONNECTOR_SCOPE',
      auto: 'CONNECTOR_AUTO',
      mq_host: 'MQ_HOST',
      mq_port: 'MQ_PORT',
      mq_user: 'MQ_USER',
      mq_pass: 'MQ_PASS',
      mq_use_ssl: 'MQ_USE_SSL',
    },
    required: ['OPENCTI_URL', 'OPENCTI_TOKEN'],
    more: typed('INTERNAL_ENRICHMENT'),
    example: {
      url: 'https://opencti.example.org',
      id: '7a4c9d62-5b0e-4f1d-9c3a-2e8b6f1d0a57',
    },
    manifest: {
      title: 'Cordon',
      slug: 'cordon',
      description:
        'Cordon blocks attackers on every node of a fleet. This connector tells what it knows of an IPv4 or IPv6 address: when and how often its detectors saw it, what was decided and by which rule, on how many nodes it is blocked, its country and its autonomous system. It writes sightings and notes, never an indicator or a score, and may also tell of every confirmed block by itself.',
      short_description:
        'Enriches IP addresses with sightings, decisions and confirmed blocks of Cordon.',
      ...everywhere,
      use_cases: ['Detection & Response Enablement'],
      solution_categories: ['Enrichment & Reputation', 'Network Security'],
      playbook_supported: true,
      container_type: 'INTERNAL_ENRICHMENT',
    },
  },
  {
    folder: 'stream',
    connector: 'opencti-stream',
    settings: StreamSettings,
    names: { ...platformNames, stream: 'CONNECTOR_LIVE_STREAM_ID' },
    required: ['OPENCTI_URL', 'OPENCTI_TOKEN', 'CONNECTOR_LIVE_STREAM_ID'],
    more: {
      CONNECTOR_SCOPE: {
        default: ['indicator'],
        description: 'what is followed, for information only',
        items: { type: 'string' },
        type: 'array',
      },
      ...typed('STREAM'),
    },
    example: {
      url: 'https://opencti.example.org',
      id: 'c1f0a8d3-64e2-4b7b-8e15-93d7a2c5b640',
      stream: '3d9e5b71-0c84-4a6f-b2d8-5f17e6a90c42',
    },
    manifest: {
      title: 'Cordon blocks',
      slug: 'cordon-stream',
      description:
        'Cordon blocks attackers on every node of a fleet. This connector follows a live stream: its indicators for IPv4 and IPv6 addresses become alerts that the policy of Cordon judges, and are blocked in the kernel of each node until their end at most. What is revoked, deleted, run out, merged or out of the stream is lifted.',
      short_description:
        'Blocks the IP indicators of a live stream on every node, and lifts what is revoked.',
      ...everywhere,
      use_cases: ['Detection & Response Enablement'],
      solution_categories: ['Network Security'],
      playbook_supported: false,
      container_type: 'STREAM',
    },
  },
]

/** Contents by path from the root of the repository. */
export function openCtiFiles(): Map<string, string> {
  const files = new Map<string, string>()
  for (const one of described) {
    const folder = `manifests/opencti/${one.folder}`
    files.set(`${folder}/__metadata__/connector_manifest.json`, printJson(one.manifest))
    files.set(`${folder}/__metadata__/connector_config_schema.json`, printJson(configSchema(one)))
    files.set(`${folder}/config.yaml`, configSample(one))
  }
  files.set('manifests/opencti/catalog.json', printJson(catalog()))
  return files
}

function catalog(): object {
  return {
    id: 'cordon-catalog',
    name: 'Cordon',
    description: 'Connectors by which Cordon follows, enriches and tells an OpenCTI platform',
    version: '0.1.0',
    contracts: described.map((one) => ({ ...one.manifest, config_schema: configSchema(one) })),
  }
}

function configSchema({ connector, settings, names, required, more, manifest }: Described) {
  const { slug } = z.looseObject({ slug: z.string() }).parse(manifest)
  const ours = propertiesOf(settings)
    .filter(({ key }) => key !== 'id')
    .map(({ key, property }) => {
      const name = names[key] ?? environmentName(connectorPrefix(connector), key)
      return [name, property] as const
    })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `https://www.filigran.io/connectors/${slug}_config.schema.json`,
    type: 'object',
    properties: { ...Object.fromEntries(ours), ...more },
    required,
    additionalProperties: true,
  }
}

function typed(type: string) {
  return {
    CONNECTOR_TYPE: { const: type, default: type, description: `always ${type}`, type: 'string' },
    CONNECTOR_CONFIDENCE_LEVEL: {
      deprecated: true,
      description: "does nothing: the maximum confidence of the token's user or its group counts",
      type: 'integer',
    },
  }
}

const secret = ['token', 'mq_pass', 'callback_key']
const Given = z.looseObject({
  description: z.string(),
  type: z.string().optional(),
  format: z.string().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  default: z.unknown().optional(),
})

/** As the platform shows a form: flat, without choices between types, and a length of time as text. */
function propertiesOf(settings: z.ZodObject): { key: string; property: Record<string, unknown> }[] {
  const [inward, outward] = (['input', 'output'] as const).map(
    (io) => z.toJSONSchema(settings, { io, unrepresentable: 'any' }).properties ?? {},
  )
  return Object.entries(inward ?? {}).map(([key, written]) => {
    const given = Given.parse(written)
    const read = z.looseObject({ default: z.unknown().optional() }).parse(outward?.[key])
    const byDefault = given.default ?? read.default
    const shown = typeof byDefault !== 'object' || Array.isArray(byDefault)
    return {
      key,
      property: {
        ...(byDefault !== undefined && shown && { default: byDefault }),
        description: given.description,
        ...typeOf(key, given),
      },
    }
  })
}

function typeOf(key: string, given: z.output<typeof Given>): object {
  if (given.type === 'array') return { items: { type: 'string' }, type: 'array' }
  if (given.type === 'boolean') return { type: 'boolean' }
  if (given.type === 'integer') {
    const { minimum, maximum } = given
    return {
      ...(minimum !== undefined && { minimum }),
      ...(maximum !== undefined && { maximum }),
      type: 'integer',
    }
  }
  if (secret.includes(key)) return { format: 'password', type: 'string', writeOnly: true }
  if (key.endsWith('_tlp')) return { enum: levels, type: 'string' }
  if (given.enum) return { enum: given.enum, type: 'string' }
  return given.format === 'uri' ? { format: 'uri', type: 'string' } : { type: 'string' }
}

/** Every setting with what it means; those that have a default are commented out. */
function configSample({ connector, settings, example }: Described): string {
  const lines = propertiesOf(settings).flatMap(({ key, property }) => {
    const value = example[key]
    const setting =
      value === undefined ? `# ${key}: ${printed(property.default)}` : `${key}: ${value}`
    return [`    # ${property.description}${hint(connector, key)}`, `    ${setting.trimEnd()}`]
  })
  return `# Part of the settings file that CORDON_SETTINGS names; what is commented out shows the default.
connectors:
  ${connector}:
${lines.join('\n')}
`
}

function hint(connector: string, key: string): string {
  if (key === 'id') return '; make one with uuidgen'
  const file = `${environmentName(connectorPrefix(connector), key)}_FILE`
  return secret.includes(key) ? `; in a file that ${file} names` : ''
}

function printed(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value)
}
