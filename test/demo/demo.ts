/** `npm run demo [-- --dry] [-- --json FILE]`: Cordon at work on real kernels, in namespaces of its own. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dryScene } from './dry-screen.ts'
import { whatIsLeft } from './left-behind.ts'
import { runOnLoopback, whyOnLoopback } from './loopback.ts'
import { type Facts, play } from './play.ts'
import { type DryFacts, playDry } from './play-dry.ts'
import { endWithStarter, isInside, runInside, whyNotPrivate } from './private.ts'
import { printLeft, scene } from './screen.ts'

const usage = `npm run demo [-- --dry] [-- --json FILE]
  --dry        enforce nothing; the nodes say what they would do
  --json FILE  also write what was measured to a file
`
const file = fileURLToPath(import.meta.url)

// A reader that goes away (`| head`) ends the demo quietly.
process.stdout.on('error', () => process.exit(0))
process.exit(await main())

async function main(): Promise<number> {
  const asked = readOptions()
  if (asked === undefined) return 2
  if (asked.help) process.stdout.write(usage)
  if (asked.help) return 0
  const why = whyOnLoopback()
  if (isInside()) return perform(() => play(scene))
  if (why !== undefined) return perform(() => playDry(why, dryScene))
  return start(asked.dry === true ? 'as was asked for' : whyNotPrivate(), asked.json)
}

function readOptions() {
  const options = {
    dry: { type: 'boolean' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const
  try {
    return parseArgs({ options }).values
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n${usage}`)
    return undefined
  }
}

/** Starts the performance where it can clear away after itself whatever happens, and sees to it that it did. */
async function start(dry: string | undefined, json: string | undefined): Promise<number> {
  let facts: Facts | DryFacts | undefined
  const hear = (message: unknown) => {
    facts = message as Facts | DryFacts
  }
  const code =
    dry === undefined ? await runInside(file, hear) : await runOnLoopback(file, dry, hear)
  if (facts?.mode === 'real' && code === 0) printLeft(whatIsLeft(facts.namespaces))
  if (json !== undefined && facts) writeFileSync(json, `${JSON.stringify(facts, null, 2)}\n`)
  return code
}

/** The facts go to the starter, which alone stays when all this is gone. */
async function perform(perform: () => Promise<Facts | DryFacts>): Promise<number> {
  endWithStarter()
  try {
    const facts = await perform()
    await new Promise((sent) => process.send?.(facts, sent))
    return 0
  } catch (error) {
    process.stderr.write(`\nerror: ${error instanceof Error ? error.message : error}\n`)
    process.stderr.write(
      'hint: all that was started is gone; run it again, if need be with --dry\n',
    )
    return 1
  }
}
