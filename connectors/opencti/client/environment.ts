/** The names of the environment that the platform's own connectors take, as settings of ours: who moves over keeps his files. */
import { readFileSync } from 'node:fs'
import type { OtherNames } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { type Environment, Switch } from '#contract/settings.ts'

type ConnectorType = 'INTERNAL_ENRICHMENT' | 'STREAM'

/** What one variable says: `name` is its own name, for warnings. */
export type Said = { name: string; value: string; environment: Environment }
export type Understand = (said: Said) => Partial<OtherNames>

/** Names that say where the platform is go to both connectors, the others to the one whose type is meant. */
export function understandEnvironment(
  type: ConnectorType,
  meanings: Readonly<Record<string, string | Understand>>,
): (environment: Environment) => OtherNames {
  return (environment) => {
    const mine = typeOf(environment) === type ? { ...own, ...meanings } : {}
    const given: Record<string, unknown> = {}
    const warnings: string[] = []
    for (const [name, meaning] of Object.entries({ ...shared, ...mine })) {
      const value = environment[name]?.trim()
      if (value === undefined || value === '') continue
      const said =
        typeof meaning === 'string'
          ? { given: { [meaning]: value } }
          : meaning({ name, value, environment })
      Object.assign(given, said.given)
      warnings.push(...(said.warnings ?? []))
    }
    return { given, warnings }
  }
}

/** For what is always so here: a warning when it is asked for otherwise. */
export function always(wanted: boolean, why: string): Understand {
  return ({ name, value }) =>
    Switch.safeParse(value).data === wanted ? {} : { warnings: [`${name}=${value}: ${why}`] }
}

/** `AMQP` or `API`, in either case. */
export function protocol(setting: string): Understand {
  return ({ value }) => ({ given: { [setting]: value.toLowerCase() } })
}

/** PEM, or the path of a file that holds it. Throws `setting_invalid`. */
export function pem(setting: string): Understand {
  return ({ name, value }) => ({ given: { [setting]: readPem(name, value) } })
}

const shared: Readonly<Record<string, string | Understand>> = {
  OPENCTI_URL: 'url',
  OPENCTI_TOKEN: 'token',
  OPENCTI_SSL_VERIFY: 'ssl_verify',
  OPENCTI_CUSTOM_HEADERS: 'custom_headers',
  HTTPS_CA_CERTIFICATES: pem('ca'),
}

const own: Readonly<Record<string, string | Understand>> = {
  CONNECTOR_ID: 'id',
  CONNECTOR_NAME: 'name',
  CONNECTOR_CONFIDENCE_LEVEL: ({ name }) => ({
    warnings: [
      `${name} does nothing since OpenCTI 6.0: the maximum confidence of the token's user, or of its group, counts`,
    ],
  }),
}

/**
 * `CONNECTOR_ID` and its like name one connector, and two of Cordon's may run in one process. Without a type a live stream
 * tells it. Throws `setting_invalid`.
 */
function typeOf(environment: Environment): ConnectorType {
  const { CONNECTOR_TYPE: given = '', CONNECTOR_LIVE_STREAM_ID: stream = '' } = environment
  const type = given.trim()
  if (type === '') return stream.trim() === '' ? 'INTERNAL_ENRICHMENT' : 'STREAM'
  if (type === 'INTERNAL_ENRICHMENT' || type === 'STREAM') return type
  throw new Problem('setting_invalid', `CONNECTOR_TYPE is ${type}, which Cordon is not`, {
    remedy:
      'set it to INTERNAL_ENRICHMENT for the connector opencti, or to STREAM for opencti-stream; where both run, name the ids in CORDON_OPENCTI_ID and CORDON_OPENCTI_STREAM_ID',
  })
}

function readPem(name: string, value: string): string {
  if (value.includes('-----BEGIN')) return value
  try {
    return readFileSync(value, 'utf8')
  } catch (error) {
    throw new Problem('setting_invalid', `cannot read the file that ${name} names`, {
      remedy: 'check the path and that this user may read it, or give the PEM itself',
      cause: error,
    })
  }
}
