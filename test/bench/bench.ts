/** `npm run bench [-- --json FILE] [-- --only NAME]`: measures on a real kernel in namespaces of its own. */
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { ownNamespace } from '../namespace.ts'
import { type Figure, markdownRow, meets, printValue, unmeasured } from './figure.ts'
import { measurements } from './measure.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
    markdown: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})
const names = Object.keys(measurements)
const wanted = values.only ?? names
const stranger = wanted.find((name) => !names.includes(name))
if (values.help || stranger !== undefined) {
  console.error(stranger === undefined ? '' : `error: there is no measurement ${stranger}`)
  console.error(
    `npm run bench [-- --json FILE] [-- --only NAME] [-- --markdown]\nmeasurements: ${names.join(', ')}`,
  )
  process.exit(stranger === undefined ? 0 : 2)
}

const { skip } = await ownNamespace(import.meta.url)
if (skip) {
  console.error(`error: ${skip}\nhint: run as root on Linux with nftables installed`)
  process.exit(1)
}

// So that what was made for the measurement under way is removed all the same.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(130))

console.error(`Node ${process.version}, ${availableParallelism()} cores`)
const figures: Figure[] = []
let failed = false
for (const name of wanted) {
  console.error(`measuring ${name} …`)
  const taken = await take(name)
  for (const figure of taken) console.log(values.markdown ? markdownRow(figure) : line(figure))
  figures.push(...taken)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`)
}
process.exit(failed ? 1 : 0)

/** One that fails does not keep the others from being measured. */
async function take(name: string): Promise<Figure[]> {
  try {
    return (await measurements[name]?.()) ?? []
  } catch (error) {
    failed = true
    console.error(error)
    return [unmeasured(name, error instanceof Error ? error.message : String(error))]
  }
}

function line(figure: Figure): string {
  const met = meets(figure)
  const mark = met === undefined ? ' ' : met ? '✓' : '✗'
  const { name, goal, detail } = figure
  return `${mark} ${name.padEnd(38)} ${printValue(figure).padStart(22)} ${goal.padEnd(8)} ${detail}`
}
