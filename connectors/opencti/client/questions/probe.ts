/** Which platform this is, and which of the newer fields of a registration it knows. `__schema` is refused; `__type` is not. */
import { z } from 'zod'
import { type Client, question } from '../client.ts'

const Names = z.array(z.object({ name: z.string() })).nullish()

const probe = question(
  `query CordonProbe {
  about { version }
  input: __type(name: "RegisterConnectorInput") { inputFields { name } }
  connector: __type(name: "Connector") { fields { name } }
}`,
  z.object({
    about: z.object({ version: z.string() }).nullable(),
    input: z.object({ inputFields: Names }).nullable(),
    connector: z.object({ fields: Names }).nullable(),
  }),
)

export type Platform = {
  version: string | undefined
  /** Fields that may be sent when registering, and those that may be asked for. */
  inputs: ReadonlySet<string>
  fields: ReadonlySet<string>
}

export async function probePlatform(client: Client, signal?: AbortSignal): Promise<Platform> {
  const { about, input, connector } = await client.ask(probe, {}, { signal })
  return {
    version: about?.version,
    inputs: new Set(input?.inputFields?.map(({ name }) => name)),
    fields: new Set(connector?.fields?.map(({ name }) => name)),
  }
}
