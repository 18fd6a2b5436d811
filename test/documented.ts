/** Holds every answer that a test gets against what the API document promises for it. */
import assert from 'node:assert/strict'
import { z } from 'zod'
import { type App, ProblemSchema } from '../actions/api/route.ts'

type Documented = { status: number; type: string; schema: z.ZodType }

/** Throws when the answer is not documented, or is not what the document says: no field more, none less. */
export function checkAnswer(
  app: App,
  method: string,
  path: string,
  answer: { status: number; type: string; text: string },
): void {
  const place = `${method} ${path} answered ${answer.status}`
  const documented = find(app, method, path)
  if (!documented) {
    assert.equal(answer.status, 404, `${place}, and no operation of the document is there`)
    checkProblem(answer, place)
    return
  }
  const [type] = answer.type.split(';')
  const ofStatus = documented.filter(({ status }) => status === answer.status)
  const promised = ofStatus.find((media) => media.type === type) ?? ofStatus[0]
  if (answer.status === 500) assert.fail(`${place}: ${answer.text}`)
  assert.ok(promised, `${place}, which is not documented: ${answer.text.slice(0, 300)}`)
  assert.equal(type, promised.type, place)
  if (answer.status >= 400) checkProblem(answer, place)
  if (answer.status >= 400 || promised.type !== 'application/json') return
  const body: unknown = JSON.parse(answer.text)
  if (promised.schema instanceof z.ZodString) return
  const read = promised.schema.safeParse(body)
  assert.ok(read.success, `${place}, not as documented: ${read.error?.message}`)
  assert.deepEqual(read.data, body, `${place} with fields that are not documented`)
}

function checkProblem(answer: { type: string; text: string }, place: string): void {
  assert.equal(answer.type, 'application/problem+json', place)
  const problem = ProblemSchema.strict().parse(JSON.parse(answer.text))
  assert.ok(problem.code && problem.detail, `${place} says neither code nor detail`)
  assert.ok(problem.remedy, `${place} (${problem.code}) with no remedy`)
  assert.equal(problem.success, false)
}

function find(app: App, method: string, path: string): Documented[] | undefined {
  const [bare = ''] = path.split('?')
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route' || definition.route.method.toUpperCase() !== method) continue
    if (!pattern(definition.route.path).test(bare)) continue
    return Object.entries(definition.route.responses).flatMap(([status, response]) => {
      if (!('content' in response) || !response.content) return []
      return Object.entries(response.content).map(([type, media]) => {
        const schema = media && 'schema' in media ? media.schema : undefined
        assert.ok(schema instanceof z.ZodType, `${method} ${path} ${status} has no zod schema`)
        return { status: Number(status), type, schema }
      })
    })
  }
  return undefined
}

function pattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`)
}
