/** Tries the live stream: the platform as everybody who speaks to it does, then whether the stream begins to speak. */
import type { Finding } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { latestMs, printTime } from '#contract/time.ts'
import { findInOrder } from '../find.ts'
import { readPlatform } from '../opencti/client/platform-settings.ts'
import { type Need, rightsStep, type Tried, tried, userSteps } from '../opencti/test-user.ts'
import { connect } from './connect.ts'
import { openFrames } from './frames.ts'
import { timeOf } from './place.ts'
import { readConnected } from './said-by-server.ts'
import type { Settings } from './settings.ts'

/** So many frames may come before the one that says that it is connected. */
const mostFrames = 100

export async function testStream(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  let opened: Tried | undefined
  const open = () => {
    opened ??= tried(readPlatform('opencti-stream', settings), signal)
    return opened
  }
  const findings = await findInOrder([
    {
      what: 'stream id',
      find: () => {
        if (settings.stream !== undefined) return settings.stream
        throw new Problem('setting_invalid', 'opencti-stream has no stream', {
          remedy: 'set CORDON_OPENCTI_STREAM_STREAM to the id of a live stream (Data sharing)',
        })
      },
    },
    ...userSteps(open),
    { what: 'live stream', find: () => hearStream(open(), settings) },
  ])
  const last = findings.at(-1)
  // The platform does not say which of all that a stream asks for is missing; a public one asks for no right.
  const refused = last?.what === 'live stream' && 'problem' in last && last.problem.code
  if (refused !== 'unauthenticated') return findings
  return [...findings, ...(await findInOrder([rightsStep(open, [follows], false)]))]
}

const follows: Need = ['TAXIIAPI', 'to follow live streams']

/** Begins now, so that nothing is replayed, and leaves as soon as the platform has said that it is connected. */
async function hearStream({ client, signal }: Tried, settings: Settings): Promise<string> {
  const { stream = '', timeout, silence } = settings
  const connection = await connect(client, stream, undefined, timeout, signal)
  const frames = openFrames(connection.body, { silenceMs: silence })
  try {
    const taken = await frames.take(mostFrames)
    const connected = taken.find(({ event }) => event === 'connected')
    if (connected) return `connected${keptSince(readConnected(connected).firstEventId)}`
    throw new Problem('invalid_input', 'the answer is a stream, but not one of OpenCTI', {
      remedy: 'check url, and what stands between here and the platform',
    })
  } finally {
    connection.close()
    await frames.close()
  }
}

function keptSince(firstEventId: string | undefined): string {
  const since = firstEventId === undefined ? 0 : timeOf(firstEventId)
  return since === 0 || since > latestMs ? '' : `; it keeps events since ${printTime(since)}`
}
