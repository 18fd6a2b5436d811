/** A live stream of 10,000 events, over a real connection into a store on the disk: read, judged, and taken back. */
import { setTimeout as pause } from 'node:timers/promises'
import { followSources, type SourceHealth } from '../../actions/flow/pull.ts'
import { putSourceCursor } from '../../actions/store/cursors.ts'
import { connector } from '../../connectors/opencti-stream/connector.ts'
import { openStreamDouble, streamId } from '../doubles/opencti-stream.ts'
import {
  event,
  indicator,
  modified,
  patternOf,
  settingsFor,
  startOfStream,
} from '../opencti/stream-world.ts'
import { openTestService } from '../service.ts'
import { type Figure, rounded } from './figure.ts'

const events = 10_000
const policy = `
version: 1
ceilings: { blocks_per_minute: 1000000, blocks_in_force: 1000000 }
rules:
  - { name: listed, because: listed, when: alert.severity >= 70, verdict: block, for: 30d }
`

/** 7 of 10 are new indicators, 2 are newer versions, 1 is a revocation. */
export async function measureOpenctiStream(): Promise<Figure[]> {
  const double = await openStreamDouble()
  const service = await openTestService({ policy, now: startOfStream + 600_000, onDisk: true })
  for (let n = 0; n < events; n++) double.history.push(nth(n))
  double.first = `${startOfStream - 1}-0`
  const { store, recorder, log, now } = service.flow
  const health: SourceHealth[] = []
  const cursor = JSON.stringify({ version: 1, id: `${startOfStream - 1}-0` })
  await store.write((tx) =>
    putSourceCursor(tx, `opencti-stream:opencti:${streamId}`, cursor, now()),
  )
  const began = performance.now()
  const followed = followSources(
    { store, recorder, log, now, pause: async (ms) => void (await pause(ms)) },
    [{ connector, settings: settingsFor(double) }],
    health,
  )
  try {
    while ((health[0]?.records ?? 0) < events) await pause(5)
    const seconds = (performance.now() - began) / 1_000
    const detail = '10,000 events, 70 % new, 20 % newer versions, 10 % revocations, full fsync'
    return [{ name: 'opencti_stream_10k_s', value: rounded(seconds), unit: 's', goal: '', detail }]
  } finally {
    await followed.stop()
    await service.close()
    double.close()
  }
}

function nth(n: number) {
  const about = n % 10 < 7 ? n : n - 7
  const pattern = patternOf(`198.18.${about >> 8}.${about & 255}`)
  const revoked = n % 10 === 9
  return event(
    n % 10 < 7 ? 'create' : 'update',
    indicator(pattern, { revoked, ...modified(n / 100) }),
    {
      at: n / 100,
    },
  )
}
