/**
 * Runs a workflow as Shuffle does, as far as ours go: from the start along the branches whose conditions hold, references
 * filled in, a person asked in between. Not imitated: loops over lists, joins of branches, authentication objects.
 */
import { type Action, referenceOf, type Workflow } from './read-workflow.ts'

export type Person = (question: string) => boolean
export type Perform = (name: string, values: Record<string, string>) => Promise<unknown>
/** What each node that ran gave, by its label as it is referred to. */
export type Results = Map<string, unknown>

/** `perform` runs one action of the app; `body` is what the webhook got. */
export async function runWorkflow(
  workflow: Workflow,
  { body, perform, person }: { body: object; perform: Perform; person: Person },
): Promise<Results> {
  const results: Results = new Map([['exec', body]])
  const waiting = [workflow.start]
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    const action = workflow.actions.find((one) => one.id === id)
    if (action) results.set(referenceOf(action), await run(action, results, perform))
    else if (!person(fill(question(workflow, id), results))) continue
    waiting.push(...next(workflow, id, results))
  }
  return results
}

function run({ name, parameters }: Action, results: Results, perform: Perform): Promise<unknown> {
  const given = parameters.filter(({ configuration }) => !configuration)
  return perform(
    name,
    Object.fromEntries(given.map((parameter) => [parameter.name, fill(parameter.value, results)])),
  )
}

function question({ triggers }: Workflow, id: string): string {
  const asked = triggers.find((trigger) => trigger.id === id)
  return asked?.parameters.find(({ name }) => name === 'alertinfo')?.value ?? ''
}

function next({ branches }: Workflow, from: string, results: Results): string[] {
  return branches
    .filter(({ source_id }) => source_id === from)
    .filter(({ conditions }) =>
      (conditions ?? []).every(({ source, condition, destination }) =>
        holds(fill(source.value, results), condition.value, fill(destination.value, results)),
      ),
    )
    .map(({ destination_id }) => destination_id)
}

function holds(left: string, condition: string, right: string): boolean {
  if (condition !== 'equals') throw new Error(`the condition "${condition}" is not imitated`)
  return left.toLowerCase() === right.toLowerCase()
}

/** `$label.a.b`; a whole object goes in as JSON, what is not there as nothing. */
function fill(text: string, results: Results): string {
  return text.replace(/\$(\w+)((?:\.\w+)*)/g, (_, label: string, path: string) => {
    const found = path
      .split('.')
      .filter((step) => step !== '')
      .reduce<unknown>((value, step) => part(value, step), results.get(label))
    if (found === undefined || found === null) return ''
    return typeof found === 'object' ? JSON.stringify(found) : String(found)
  })
}

function part(value: unknown, step: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  return Object.entries(value).find(([name]) => name === step)?.[1]
}
