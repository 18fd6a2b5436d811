/** An action template as Tracecat reads it, by the rules in its source: types as Python writes them, names, references. */
import { parse } from 'yaml'
import { z } from 'zod'

const name = /^[a-z][a-z0-9_]*$/
const plain = ['str', 'int', 'bool', 'float', 'datetime', 'Any'].join('|')
const type = new RegExp(
  `^(${plain}|list\\[(${plain})\\]|dict\\[str, (${plain})\\]|enum\\["[^"]+"(, "[^"]+")*\\])( \\| None)?$`,
)

const Input = z.strictObject({
  type: z.string().regex(type),
  description: z.string().min(1),
  default: z.unknown().optional(),
})
const Secret = z.strictObject({
  name: z.string().regex(/^[a-z0-9_]+$/),
  keys: z.array(z.string()).optional(),
  optional_keys: z.array(z.string()).optional(),
  optional: z.boolean().optional(),
})
/** What core.http_request takes. */
const Request = z.strictObject({
  url: z.string(),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  headers: z.record(z.string(), z.string()).optional(),
  params: z.record(z.string(), z.unknown()).optional(),
  payload: z.unknown().optional(),
  form_data: z.unknown().optional(),
  auth: z.unknown().optional(),
  timeout: z.number().optional(),
  verify_ssl: z.boolean().optional(),
  ignore_status_codes: z.array(z.number()).optional(),
})
export type Request = z.infer<typeof Request>
const Template = z.strictObject({
  type: z.literal('action'),
  definition: z.strictObject({
    name: z.string().regex(name),
    namespace: z.string().startsWith('tools.'),
    title: z.string(),
    description: z.string(),
    display_group: z.string(),
    doc_url: z.url().optional(),
    author: z.string().optional(),
    deprecated: z.string().optional(),
    secrets: z.array(Secret),
    expects: z.record(z.string().regex(name), Input),
    steps: z.array(
      z.strictObject({
        ref: z.string().regex(name),
        action: z.literal('core.http_request'),
        args: Request,
      }),
    ),
    returns: z.string(),
  }),
})
export type Template = z.infer<typeof Template>['definition']

export function readTemplate(text: string): Template {
  return Template.parse(parse(text)).definition
}

/** References that lead nowhere, inputs that nobody uses and steps of one name, a sentence each. */
export function faults({ secrets, expects, steps, returns }: Template): string[] {
  const refs = steps.map(({ ref }) => ref)
  const known = [
    ...secrets.flatMap((one) => (one.keys ?? []).map((key) => `SECRETS.${one.name}.${key}`)),
    ...Object.keys(expects).map((input) => `inputs.${input}`),
    ...refs.map((ref) => `steps.${ref}.result.data`),
  ]
  const used = references(JSON.stringify([steps, returns]))
  return [
    ...(new Set(refs).size === refs.length ? [] : ['two steps have one name']),
    ...used.filter((one) => !known.includes(one)).map((one) => `${one} leads nowhere`),
    ...known.filter((one) => !used.includes(one)).map((one) => `${one} is not used`),
  ]
}

function references(text: string): string[] {
  return [...text.matchAll(/\$\{\{ *(?:FN\.\w+\()?([\w.]+)\)? *\}\}/g)].map(([, one = '']) => one)
}
