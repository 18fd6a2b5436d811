/**
 * Runs a template of one step as Tracecat does: inputs with their defaults, expressions filled in, the request, what is
 * returned. Not imitated: several steps, conversions of types, retries, and functions besides FN.url_encode.
 */
import type { Request, Template } from './read-template.ts'

type Values = Readonly<Record<string, unknown>>

/** Throws what an action fails with: the status and the body, unless the status is one to ignore. */
export async function runTemplate(
  template: Template,
  inputs: Values,
  secrets: Readonly<Record<string, string>>,
): Promise<unknown> {
  const [step] = template.steps
  if (!step || template.steps.length > 1) throw new Error('only one step is imitated')
  const known = new Map<string, unknown>()
  for (const [name, { default: value }] of Object.entries(template.expects)) {
    const given = inputs[name] ?? value
    if (given === undefined) throw new Error(`the input ${name} is missing`)
    known.set(`inputs.${name}`, given)
  }
  for (const { name, keys } of template.secrets)
    for (const key of keys ?? []) known.set(`SECRETS.${name}.${key}`, secrets[key])
  known.set(`steps.${step.ref}.result.data`, await send(fillRequest(step.args, known)))
  return fill(template.returns, known)
}

function fillRequest(args: Request, known: ReadonlyMap<string, unknown>): Request {
  const filled = (values: Values = {}) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fill(value, known)]))
  const text = (value: unknown) => String(fill(value, known))
  const headers = Object.entries(args.headers ?? {}).map(([name, value]) => [name, text(value)])
  return {
    ...args,
    url: text(args.url),
    headers: Object.fromEntries(headers),
    params: filled(args.params),
    ...(args.payload instanceof Object && { payload: filled({ ...args.payload }) }),
  }
}

async function send({
  url,
  method,
  headers = {},
  params = {},
  payload,
}: Request): Promise<unknown> {
  const query = new URLSearchParams(
    Object.entries(params).map(([name, value]) => [name, String(value)]),
  ).toString()
  const response = await fetch(query === '' ? url : `${url}?${query}`, {
    method,
    headers: { ...headers, ...(payload !== undefined && { 'content-type': 'application/json' }) },
    ...(payload !== undefined && { body: JSON.stringify(payload) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`HTTP request failed with status ${response.status}: ${text}`)
  return JSON.parse(text)
}

/** A text that is one expression keeps the type of its value. */
function fill(value: unknown, known: ReadonlyMap<string, unknown>): unknown {
  if (typeof value !== 'string') return value
  const whole = /^\$\{\{ *([\w.]+) *\}\}$/.exec(value)?.[1]
  if (whole !== undefined) return known.get(whole)
  return value.replace(
    /\$\{\{ *(FN\.url_encode\()?([\w.]+)\)? *\}\}/g,
    (_, encode: string | undefined, name: string) => {
      const found = String(known.get(name))
      return encode === undefined ? found : encodeURIComponent(found)
    },
  )
}
