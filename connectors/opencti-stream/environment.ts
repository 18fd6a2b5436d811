/** What the platform's own stream connectors take from the environment. */
import { printTime } from '#contract/time.ts'
import { always, type Understand, understandEnvironment } from '../opencti/client/environment.ts'

/** Epoch milliseconds; 0 is the beginning. */
const start: Understand = ({ name, value }) => {
  const ms = /^\d{1,15}(-0)?$/.test(value) ? Number.parseInt(value, 10) : undefined
  if (ms === undefined) return { warnings: [`${name}=${value} is no time in milliseconds`] }
  return { given: { from: ms === 0 ? 'start' : printTime(ms) } }
}

/** Until when the first run replays is known here: until now. That nothing is to be replayed is another matter. */
const recover: Understand = ({ name, value }) =>
  /^(no|none|false)$/i.test(value)
    ? { given: { from: 'now' } }
    : { warnings: [`${name} is not needed: CONNECTOR_LIVE_STREAM_START_TIMESTAMP says from when`] }

export const environment = understandEnvironment('STREAM', {
  CONNECTOR_LIVE_STREAM_ID: 'stream',
  CONNECTOR_LIVE_STREAM_START_TIMESTAMP: start,
  CONNECTOR_LIVE_STREAM_RECOVER_ISO_DATE: recover,
  CONNECTOR_LIVE_STREAM_LISTEN_DELETE: always(
    true,
    'what the platform deletes is always lifted here',
  ),
  CONNECTOR_LIVE_STREAM_NO_DEPENDENCIES: always(
    true,
    'what an indicator refers to is not needed and not asked for',
  ),
  CONNECTOR_LIVE_STREAM_WITH_INFERENCES: always(
    false,
    'what rules have inferred is never blocked by itself',
  ),
})
