/** The file of standing rules: who may begin what with the nodes of a group, as a person writes it. */
import { z } from 'zod'
import { InterfaceName, mostPorts, PortRange, Protocol, Rate } from '#contract/action.ts'
import { maybeAddress } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import {
  CountryCode,
  confirmSeconds,
  mostCountries,
  mostNetworks,
  mostRules,
  RuleName,
  Way,
} from '#contract/posture.ts'
import { strict } from '../strict-object.ts'

/** Also as a number, and a single one without a list. */
const Ports = z.preprocess(
  (value) => [value].flat().map((port) => (typeof port === 'number' ? String(port) : port)),
  z.array(PortRange).min(1).max(mostPorts),
)

const Country = z.preprocess(
  (value) => (typeof value === 'string' ? value.toUpperCase() : value),
  CountryCode,
)
const Countries = z.preprocess(
  (value) => [value].flat(),
  z.array(Country).min(1).max(mostCountries),
)

/** A host, a network or a country. */
const Source = z.string().transform((text, context) => {
  const country = Country.safeParse(text)
  const found = country.success ? country.data : maybeAddress(text)?.text
  if (found !== undefined) return found
  const message = `"${text.slice(0, 60)}" is no host, network or country such as DE`
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})
const From = z.preprocess(
  (value) => (value === 'any' ? undefined : [value].flat()),
  z.array(Source).min(1).max(mostNetworks).optional(),
)

/** Without a burst as many at once as in the whole time. */
const FileRate = strict({
  packets: Rate.shape.packets,
  per: Rate.shape.per,
  burst: Rate.shape.burst.optional(),
}).transform(
  ({ packets, per, burst = Math.min(packets, 65_535) }): Rate => ({
    packets,
    per,
    burst,
  }),
)

/** The zone may stand once for the whole posture or the whole file. */
const FileDuring = z.preprocess(
  (value) => (typeof value === 'string' ? { times: value } : value),
  strict({ times: z.string(), zone: z.string().optional() }),
)

const narrowing = {
  protocol: z.union([Protocol, z.array(Protocol).min(1).max(4)]).optional(),
  ports: Ports.optional(),
  interface: InterfaceName.optional(),
  during: FileDuring.optional(),
  on: Way.default('node'),
}

const Service = strict({
  ...narrowing,
  /** Without it, or `any`: from everywhere. */
  from: From.optional(),
  rate: FileRate.optional(),
  verdict: z.enum(['accept', 'drop', 'reject']).default('accept'),
})
const CountryPart = strict({
  ...narrowing,
  deny: Countries.optional(),
  allow: Countries.optional(),
}).refine(({ deny, allow }) => (deny === undefined) !== (allow === undefined), 'say deny or allow')
const State = strict({ invalid: z.literal('drop'), on: Way.default('node') })

const kinds = ['service', 'country', 'state'] as const

const FileRule = strict({
  name: RuleName,
  /** For whoever reads the file. */
  because: z.string().max(300).optional(),
  service: Service.optional(),
  country: CountryPart.optional(),
  state: State.optional(),
}).refine(
  (rule) => kinds.filter((kind) => rule[kind] !== undefined).length === 1,
  'a rule is one of service, country and state',
)
export type FileRule = z.infer<typeof FileRule>

const FilePosture = strict({
  for: Audience,
  zone: z.string().optional(),
  default: z.enum(['accept', 'drop']).default('accept'),
  rules: z.array(FileRule).min(1).max(mostRules),
})

const confirm = Duration.refine(
  (ms) => ms >= confirmSeconds.least * 1_000 && ms <= confirmSeconds.most * 1_000,
  'write 10s to 10m',
)

export const PostureFile = strict({
  version: z.literal(1),
  /** How long a node may take to reach the service under new rules before it goes back. */
  confirm: confirm.prefault(`${confirmSeconds.usual}s`),
  zone: z.string().optional(),
  postures: z.array(FilePosture).min(1).max(500),
})
export type PostureFile = z.infer<typeof PostureFile>
