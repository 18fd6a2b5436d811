/** Whether results can go out: the collector is well, takes the token, and acknowledges. Nothing is written. */
import type { Finding } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { tried } from '../tried.ts'
import { type Hec, openHec } from './open-hec.ts'
import { refusedByHec } from './refused-by-hec.ts'
import type { HecSettings } from './shape.ts'
import { askNothing } from './sink.ts'

export async function tryCollector(
  settings: HecSettings & { ca?: string | undefined },
  signal: AbortSignal,
): Promise<Finding[]> {
  const health = await tried('event collector', () => lookAtHealth(openHec(settings), signal))
  if ('problem' in health) return [health]
  const token = await tried('token of the event collector', () =>
    lookAtToken(openHec(settings), signal),
  )
  if ('problem' in token || !settings.hec_acknowledge) return [health, token]
  const acknowledges = await tried('indexer acknowledgement', async () => {
    await askNothing(openHec(settings), signal)
    return 'it is on'
  })
  return [health, token, acknowledges]
}

async function lookAtHealth(hec: Hec, signal: AbortSignal): Promise<string> {
  const answer = await hec.health(signal)
  if (answer.status === 200) return `${hec.place} is well`
  throw refusedByHec(answer)
}

/** A request without any event: with a good token the collector says that there is no data, and writes nothing. */
async function lookAtToken(hec: Hec, signal: AbortSignal): Promise<string> {
  const answer = await hec.send('', signal)
  if (answer.code === 5) return 'it is known and enabled'
  if (answer.status !== 200) throw refusedByHec(answer)
  throw new Problem('invalid_input', 'who answers takes what no event collector takes', {
    remedy: 'check hec_url of splunk, and what stands in between',
  })
}
