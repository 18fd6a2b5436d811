/** The API document: whole, true, and readable by the low-code platforms that make their actions from it. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { problemStatus } from '#contract/problem.ts'
import { openTestService, type TestService } from '../service.ts'

const Parameter = z.looseObject({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
})
const Media = z.looseObject({ schema: z.unknown(), example: z.unknown().optional() })
const Operation = z.looseObject({
  summary: z.string(),
  tags: z.array(z.string()),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(Parameter).default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), Media) }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: z.record(z.string(), Media) })),
})
const Document = z.looseObject({
  openapi: z.string(),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  servers: z.array(z.object({ url: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ securitySchemes: z.record(z.string(), z.unknown()) }),
})
type Named = z.infer<typeof Operation> & { name: string; method: string; path: string }

describe('the API document', () => {
  let service: TestService
  let text = ''
  let document: z.infer<typeof Document>
  let operations: Named[] = []
  before(async () => {
    service = await openTestService()
    const answer = await service.app.request('/openapi.json')
    assert.equal(answer.status, 200)
    text = await answer.text()
    document = Document.parse(JSON.parse(text))
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        name: `${method.toUpperCase()} ${path}`,
        method,
        path,
      })),
    )
  })
  after(() => service.close())

  test('is OpenAPI 3.0.3 with one absolute server', () => {
    assert.equal(document.openapi, '3.0.3')
    assert.deepEqual(document.servers, [{ url: 'http://127.0.0.1:8055' }])
  })

  test('holds every route that there is, and no other', () => {
    const routes = service.app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/openapi.json')
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    assert.deepEqual([...new Set(routes)].sort(), operations.map(({ name }) => name).sort())
  })

  test('gives every operation a summary of its own, which importers name their actions after', () => {
    const summaries = operations.map(({ summary }) => summary.toLowerCase().replaceAll(' ', '_'))
    assert.equal(new Set(summaries).size, summaries.length)
    for (const summary of summaries) assert.match(summary, /^[a-z_]+$/)
  })

  test('shows an example of every answer and of every body', () => {
    for (const { name, responses, requestBody } of operations) {
      const [, good] = Object.entries(responses).find(([status]) => status < '300') ?? []
      const media = [
        ...Object.values(good?.content ?? {}),
        ...Object.values(requestBody?.content ?? {}),
      ]
      assert.ok(good, name)
      for (const { example } of media) assert.notEqual(example, undefined, name)
    }
  })

  test('shows examples of bodies that the operation itself would take', () => {
    for (const definition of service.app.openAPIRegistry.definitions) {
      if (definition.type !== 'route') continue
      const media = definition.route.request?.body?.content['application/json']
      if (!media) continue
      const { schema, example } = z
        .object({ schema: z.instanceof(z.ZodType), example: z.unknown() })
        .parse(media)
      const read = schema.safeParse(example)
      assert.ok(read.success, `${definition.route.path}: ${read.error?.message}`)
    }
  })

  test('names the problems of every operation, with their status', () => {
    for (const { name, security, responses } of operations) {
      const problems = Object.entries(responses).filter(([status]) => status >= '400')
      const wanted = ['400', '429', '503', ...(security.length > 0 ? ['401', '403'] : [])]
      for (const status of wanted)
        assert.ok(
          problems.some(([given]) => given === status),
          `${name} ${status}`,
        )
      for (const [status, { content }] of problems) {
        assert.deepEqual(Object.keys(content), ['application/problem+json'])
        const example = z
          .looseObject({ code: z.enum(Object.keys(problemStatus)) })
          .parse(content['application/problem+json']?.example)
        assert.equal(
          String(Object.entries(problemStatus).find(([code]) => code === example.code)?.[1]),
          status,
        )
      }
    }
  })

  test('knows one way to sign in, named exactly BearerAuth', () => {
    assert.deepEqual(document.components.securitySchemes, {
      BearerAuth: { type: 'http', scheme: 'bearer' },
    })
    for (const { name, security } of operations)
      assert.ok(security.length === 0 || JSON.stringify(security) === '[{"BearerAuth":[]}]', name)
  })

  test('has no parameters in headers or for whole paths, and only plain names', () => {
    for (const { name, path, parameters } of operations) {
      const inPath = [...path.matchAll(/\{([^}]*)\}/g)].map(([, parameter]) => parameter)
      for (const { in: place, name: parameter } of parameters) {
        assert.ok(['path', 'query'].includes(place), `${name} ${parameter}`)
        assert.match(parameter, /^[a-z][a-z_]*$/, name)
      }
      assert.deepEqual(
        parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name),
        inPath,
      )
    }
    for (const methods of Object.values(document.paths))
      for (const method of Object.keys(methods)) assert.ok(['get', 'post'].includes(method))
  })

  test('holds nothing that is of OpenAPI 3.1 only', () => {
    const found = newerWords(JSON.parse(text), '')
    assert.deepEqual(found, [])
  })

  test('has none of the traits at which Shuffle’s importer was seen to fail', (t) => {
    const cases = new URL(
      '../../../shared/contracts/soar-samples/shuffle/openapi-cases/expected.json',
      import.meta.url,
    )
    if (!existsSync(cases)) return t.skip('the frozen outcomes are not here')
    const Outcome = z.looseObject({
      shuffle_loader: z.string(),
      generated: z.boolean().optional(),
      auth_parameters: z.array(z.string()).optional(),
    })
    const outcomes = z.record(z.string(), Outcome).parse(JSON.parse(readFileSync(cases, 'utf8')))
    const traits: Record<string, boolean> = {
      v31_defs_ref: text.includes('"$defs"'),
      v31_exclusive_minimum_number: /"exclusiveM(in|ax)imum":-?\d/.test(text),
      v31_type_array: /"type":\[/.test(text),
      version_number: typeof document.info.version !== 'string',
      title_missing: document.info.title === '',
      sec_oauth2_standard_flows: text.includes('"oauth2"'),
    }
    for (const [name, { shuffle_loader, generated }] of Object.entries(outcomes)) {
      if (shuffle_loader === 'ok' && generated !== false) continue
      assert.equal(traits[name], false, name)
    }
    assert.deepEqual(outcomes.base?.auth_parameters, ['apikey', 'url'])
    assert.notDeepEqual(outcomes.sec_bearer_lower?.auth_parameters, ['apikey', 'url'])
  })
})

describe('what is not there', () => {
  test('is 404, names what is near, and is as well-formed as any problem', async (t) => {
    const service = await openTestService()
    t.after(() => service.close())
    const answer = await service.ask('GET', '/v1/decision')
    assert.deepEqual([answer.status, answer.body.code], [404, 'not_found'])
    assert.match(answer.body.remedy ?? '', /did you mean \/v1\/decisions\?/)
    const far = await service.ask('GET', `/${'x'.repeat(10_000)}`)
    assert.equal(far.status, 404)
  })

  test('of methods is 404 too', async (t) => {
    const service = await openTestService()
    t.after(() => service.close())
    const answer = await service.app.request('/v1/decisions', { method: 'DELETE' })
    assert.equal(answer.status, 404)
  })
})

/** Places with a word that OpenAPI 3.0 does not know. Examples and the names of fields are no words. */
function newerWords(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, n) => newerWords(item, `${path}/${n}`))
  if (typeof value !== 'object' || value === null) return []
  const names = /\/(properties|responses|schemas|paths|content)$/.test(path)
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'example' && !names) return []
    const here = `${path}/${key}`
    const newer =
      [
        '$defs',
        'const',
        'prefixItems',
        'examples',
        'patternProperties',
        'propertyNames',
        '$schema',
      ].includes(key) ||
      (key === 'type' && (Array.isArray(inner) || inner === 'null')) ||
      (/^exclusiveM(in|ax)imum$/.test(key) && typeof inner !== 'boolean')
    return [...(newer && !names ? [here] : []), ...newerWords(inner, here)]
  })
}
