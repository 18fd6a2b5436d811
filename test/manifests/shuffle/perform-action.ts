/** Runs one action of the Shuffle app as its container would: `python app.py`, here with the arguments of a stand-alone start. */
import assert from 'node:assert/strict'
import { z } from 'zod'
import { runPython } from './run-python.ts'

const program = new URL('../../../manifests/shuffle/app/cordon/1.0.0/src/app.py', import.meta.url)
export const standIn = new URL('stand-in', import.meta.url).pathname

const Told = z.object({
  success: z.boolean(),
  status: z.number(),
  message: z.string(),
  decision_id: z.string().nullable(),
  state: z.string().nullable(),
  outcome: z.string().nullable(),
  body: z.looseObject({}),
})
export type Told = z.infer<typeof Told> & { text: string }

/** `path` is where Python finds the SDK, if it has none of its own; `place` gives what the authentication of the app holds. */
export function performWith(path: string, place: () => { url: string; api_key: string }) {
  return async (name: string, values: Record<string, string>): Promise<Told> => {
    const given = { ...place(), ...values }
    const pairs = Object.entries(given).map(([key, value]) => `${key}=${value}`)
    const ran = await runPython([program.pathname, '--standalone', `--action=${name}`, ...pairs], {
      path,
    })
    const text = ran.stdout.split('\n').findLast((line) => line.startsWith('{')) ?? ''
    assert.notEqual(text, '', `${name}: ${ran.stderr}`)
    assert.ok(!`${ran.stdout}${ran.stderr}`.includes(place().api_key), 'the token was printed')
    return { ...Told.parse(JSON.parse(text)), text }
  }
}
