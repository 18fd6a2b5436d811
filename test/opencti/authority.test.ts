/** A platform with a certificate of an own authority. */
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { generate } from 'selfsigned'
import { openFetch } from '../../connectors/open-fetch.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { tried, userSteps } from '../../connectors/opencti/test-user.ts'

test('is believed with its authority, and only with that', async () => {
  const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  const server = createServer({ key: pair.private, cert: pair.cert }, (_, response) => {
    response.end('{"data":{}}')
  })
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const url = `https://localhost:${address.port}/graphql`
  const response = await openFetch(pair.cert)(url)
  assert.equal(await response.text(), '{"data":{}}')
  await assert.rejects(openFetch(undefined)(url), { code: 'untrusted_service' })
  const unverified = await openFetch(undefined, false)(url)
  assert.equal(unverified.status, 200, 'but for who does not want to know')
  const reached = (ssl_verify: boolean) => {
    const given = { url: `https://localhost:${address.port}`, token: 't', ssl_verify }
    const platform = readPlatform('opencti', Settings.parse(given))
    const [step] = userSteps(() => tried(platform, AbortSignal.timeout(60_000)))
    return Promise.try(() => step?.find())
  }
  await assert.rejects(reached(true), { code: 'untrusted_service' })
  assert.match((await reached(false)) ?? '', /ssl_verify is false/)
  server.closeAllConnections()
  server.close()
})
