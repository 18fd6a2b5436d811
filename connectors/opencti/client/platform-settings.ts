/** The settings of everything that speaks to an OpenCTI platform: where it is, who we are, whom we trust. */
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import { Switch } from '#contract/settings.ts'

const header = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+:[\t\x20-\x7e]*$/

/** `name:value;name:value`, as OpenCTI's own connectors take it, or an object in a file. */
const Headers = z.preprocess(
  (value) => {
    if (typeof value !== 'string') return value
    const parts = value.split(';').filter((part) => part.trim() !== '')
    if (!parts.every((part) => header.test(part.trim()))) return value
    return Object.fromEntries(
      parts.map((part) => {
        const colon = part.indexOf(':')
        return [part.slice(0, colon).trim(), part.slice(colon + 1).trim()]
      }),
    )
  },
  z.record(z.string().regex(/^[\w-]+$/), z.string().regex(/^[\t\x20-\x7e]*$/)),
)

/** Spread into the settings of each connector that speaks to the platform. */
export const platformShape = {
  url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: 'the platform, with its base path where it has one' }),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,4000}$/, 'expected a token without blanks or line ends')
    .optional()
    .meta({ description: "token of the connector's own user, in the group Connectors" }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  ssl_verify: Switch.default(true).meta({
    description:
      'false: whoever stands in between may read the token and say anything; better give ca',
  }),
  allow_http: Switch.default(false).meta({
    description:
      'plain HTTP also beyond loopback, such as inside one Docker network: the token is readable there',
  }),
  custom_headers: Headers.prefault({}).meta({
    description: 'sent with every request, as name:value;name:value',
  }),
  timeout: Duration.prefault('30s').meta({ description: 'how long one answer is waited for' }),
}
type PlatformSettings = z.output<z.ZodObject<typeof platformShape>>

export type Platform = {
  /** Without a slash at the end. */
  base: string
  token: string
  ca: string | undefined
  /** Whether it has to prove who it is. */
  verify: boolean
  headers: Readonly<Record<string, string>>
  timeoutMs: number
}

/** Throws `setting_invalid` for what is missing or would send the token in the clear. `connector` names the settings. */
export function readPlatform(connector: string, settings: PlatformSettings): Platform {
  const { url, token } = settings
  const prefix = `CORDON_${connector.toUpperCase().replaceAll('-', '_')}`
  if (url === undefined)
    throw invalid(
      `${connector} has no url of a platform`,
      `set ${prefix}_URL, or url in its section`,
    )
  if (token === undefined || token === 'ChangeMe')
    throw invalid(
      `${connector} has no token`,
      `make a user in the group Connectors and give its token in ${prefix}_TOKEN_FILE`,
    )
  const { protocol, hostname, username, search, hash } = new URL(url)
  if (username !== '' || search !== '' || hash !== '')
    throw invalid(`the url of ${connector} has a user, a query or a fragment`, 'leave those out')
  if (protocol !== 'https:' && !isLoopback(hostname) && !settings.allow_http)
    throw invalid(
      `the url of ${connector} would send the token in the clear`,
      `use https, or set ${prefix}_ALLOW_HTTP=true where nobody else is on the wire`,
    )
  return {
    base: url.replace(/\/+$/, ''),
    token,
    ca: settings.ca,
    verify: settings.ssl_verify,
    headers: settings.custom_headers,
    timeoutMs: settings.timeout,
  }
}

function invalid(message: string, remedy: string): Problem {
  return new Problem('setting_invalid', message, { remedy })
}
