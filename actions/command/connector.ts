/** `cordon connector`: how each connector fares, and trying one out. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Handler, Io } from './command.ts'
import { paint, printAgo, printColumns } from './paint.ts'
import { tellWaiting } from './progress.ts'

const Part = z.looseObject({
  part: z.string(),
  state: z.string(),
  last: z.string().optional(),
  taken: z.number().optional(),
  refused: z.number().optional(),
  waiting: z.number().optional(),
  problem: z.string().optional(),
  remedy: z.string().optional(),
})
type Part = z.output<typeof Part>
const Connectors = z.looseObject({
  connectors: z.array(
    z.looseObject({ name: z.string(), title: z.string(), health: z.array(Part) }),
  ),
  sources: z.array(z.looseObject({ source: z.string() })),
})
const Findings = z.looseObject({
  works: z.boolean(),
  findings: z.array(
    z.looseObject({
      what: z.string(),
      found: z.string().optional(),
      problem: z.looseObject({ detail: z.string(), remedy: z.string().optional() }).optional(),
    }),
  ),
})
type Finding = z.output<typeof Findings>['findings'][number]

const headings = ['CONNECTOR', 'PRODUCT', 'PART', 'STATE', 'LAST', 'TAKEN', 'REFUSED', 'WAITING']

export const listConnectors: Handler = async (asked, io) => {
  const found = await openClient(io.environment).get('/v1/connectors', Connectors)
  const { connectors, sources } = found
  answer(asked, io, { connectors, sources }, () => {
    const rows = connectors.flatMap(({ name, title, health }) =>
      health.length === 0
        ? [[name, title, 'nothing by its settings', 'off', '-', '-', '-', '-']]
        : health.map((part) => [name, title, ...cellsOf(io, part)]),
    )
    const troubles = connectors.flatMap(({ name, health }) =>
      health.map((part) => printTrouble(io, name, part)),
    )
    return rows.length === 0
      ? 'no connector runs: set some in connectors\n'
      : `${printColumns(io, headings, rows)}${troubles.join('')}`
  })
  return 0
}

function cellsOf(io: Io, { part, state, last, taken, refused, waiting }: Part): string[] {
  const count = (number: number | undefined) => (number === undefined ? '-' : String(number))
  const ago = last === undefined ? '-' : printAgo(last, io.now())
  return [part, state, ago, count(taken), count(refused), count(waiting)]
}

/** Below the table, where there is room for what to do about it. */
function printTrouble(io: Io, name: string, { part, problem, remedy }: Part): string {
  if (problem === undefined) return ''
  const where = paint(io, 'out', 'red', printable(`${name}, ${part}:`))
  const hint = remedy === undefined ? '' : `  hint: ${printable(remedy, 500)}\n`
  return `\n${where} ${printable(problem, 500)}\n${hint}`
}

export const testConnector: Handler = async (asked, io) => {
  const name = asked.argument('name')
  const path = `/v1/connectors/${encodeURIComponent(name)}/test`
  const trying = openClient(io.environment).post(path, {}, Findings)
  const found = await tellWaiting(io, `testing ${printable(name, 60)}`, trying)
  answer(asked, io, found, () => {
    const width = Math.max(0, ...found.findings.map(({ what }) => printable(what).length))
    const lines = found.findings.map((finding) => printFinding(io, finding, width))
    return lines.length === 0
      ? `${printable(name)} has nothing that can be tried\n`
      : lines.join('')
  })
  return found.works ? 0 : 1
}

function printFinding(io: Io, { what, found, problem }: Finding, width: number): string {
  const cell = printable(what).padEnd(width)
  if (problem === undefined)
    return `${paint(io, 'out', 'green', 'ok')}      ${cell}  ${printable(found ?? '', 500)}\n`
  const hint =
    problem.remedy === undefined
      ? ''
      : `${' '.repeat(width + 10)}hint: ${printable(problem.remedy, 500)}\n`
  return `${paint(io, 'out', 'red', 'failed')}  ${cell}  ${printable(problem.detail, 500)}\n${hint}`
}
