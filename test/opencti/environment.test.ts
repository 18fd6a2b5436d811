/** A connector that is put in the place of one of the platform's own takes its environment as it is. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { loadConnectors } from '../../actions/load-connectors.ts'
import type { Settings } from '../../connectors/opencti/settings.ts'
import type { Settings as StreamSettings } from '../../connectors/opencti-stream/settings.ts'

const id = '0b1c2d3e-4f50-4617-8829-3a4b5c6d7e8f'
const stream = 'e6f7a8b9-c0d1-4e2f-8a3b-4c5d6e7f8091'
const platform = { OPENCTI_URL: 'https://opencti.example', OPENCTI_TOKEN: 'secret' }

async function load(
  environment: Record<string, string>,
  sections: Record<string, Record<string, unknown>> = {},
) {
  const warnings: string[] = []
  const names = ['opencti', 'opencti-stream']
  const warn = (text: string) => warnings.push(text)
  const running = await loadConnectors(names, sections, { ...platform, ...environment }, warn)
  const settingsOf = <Read>(name: string, is: (value: unknown) => value is Read): Read => {
    const settings = running.get(name)?.settings
    assert.ok(is(settings))
    return settings
  }
  return {
    enrichment: settingsOf('opencti', isEnrichment),
    stream: settingsOf('opencti-stream', isStream),
    warnings,
  }
}

type Enrichment = ReturnType<typeof Settings.parse>
type Stream = ReturnType<typeof StreamSettings.parse>
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isEnrichment = (value: unknown): value is Enrichment => isObject(value) && 'listen' in value
const isStream = (value: unknown): value is Stream => isObject(value) && 'silence' in value

describe('the environment of a connector of the platform', () => {
  test('says to both where the platform is and how it is reached', async () => {
    const { enrichment, stream, warnings } = await load({
      OPENCTI_SSL_VERIFY: 'no',
      OPENCTI_CUSTOM_HEADERS: 'X-One:1;X-Two:2',
    })
    for (const { url, token, ssl_verify, custom_headers } of [enrichment, stream]) {
      assert.deepEqual([url, token, ssl_verify], ['https://opencti.example', 'secret', false])
      assert.deepEqual(custom_headers, { 'X-One': '1', 'X-Two': '2' })
    }
    assert.deepEqual(warnings, [])
  })

  test('of an enrichment connector is that of opencti alone', async () => {
    const loaded = await load({
      CONNECTOR_TYPE: 'INTERNAL_ENRICHMENT',
      CONNECTOR_ID: id,
      CONNECTOR_NAME: 'Blocks',
      CONNECTOR_SCOPE: 'ipv4-addr, Domain-Name',
      CONNECTOR_AUTO: 'True',
      CONNECTOR_AUTO_UPDATE: 'false',
      CONNECTOR_LISTEN_PROTOCOL: 'AMQP',
      CONNECTOR_QUEUE_PROTOCOL: 'api',
      MQ_HOST: 'rabbit.example',
      MQ_PORT: '5671',
      MQ_USE_SSL: 'true',
    })
    const { name, scope, auto, listen, send, mq_host, mq_port, mq_use_ssl } = loaded.enrichment
    assert.deepEqual([loaded.enrichment.id, name, auto], [id, 'Blocks', true])
    assert.deepEqual(scope, ['IPv4-Addr'])
    assert.deepEqual([listen, send], ['amqp', 'api'])
    assert.deepEqual([mq_host, mq_port, mq_use_ssl], ['rabbit.example', 5671, true])
    assert.equal(loaded.stream.id, undefined)
    assert.deepEqual(loaded.warnings, [
      'opencti: CONNECTOR_SCOPE: Domain-Name is no address and is left out',
    ])
  })

  test('says where jobs are posted to', async () => {
    const { enrichment } = await load({
      CONNECTOR_LISTEN_PROTOCOL: 'API',
      CONNECTOR_LISTEN_PROTOCOL_API_URI: 'https://cordon.example:7443/',
      CONNECTOR_LISTEN_PROTOCOL_API_PATH: '/jobs',
      CONNECTOR_LISTEN_PROTOCOL_API_PORT: '7443',
    })
    const { listen, callback_uri, callback_listen } = enrichment
    assert.deepEqual(
      [listen, callback_uri, callback_listen],
      ['api', 'https://cordon.example:7443/jobs', '127.0.0.1:7443'],
    )
  })

  test('of a stream connector is that of opencti-stream alone', async () => {
    const loaded = await load({
      CONNECTOR_TYPE: 'STREAM',
      CONNECTOR_ID: id,
      CONNECTOR_LIVE_STREAM_ID: stream,
      CONNECTOR_LIVE_STREAM_LISTEN_DELETE: 'yes',
      CONNECTOR_LIVE_STREAM_NO_DEPENDENCIES: 'true',
      CONNECTOR_LIVE_STREAM_START_TIMESTAMP: '0',
    })
    assert.deepEqual(
      [loaded.stream.id, loaded.stream.stream, loaded.stream.from],
      [id, stream, 'start'],
    )
    assert.equal(loaded.enrichment.id, undefined)
    assert.deepEqual(loaded.warnings, [])
  })

  test('without a type is that of a stream where it names one, and of enrichment where it names none', async () => {
    const streamed = await load({ CONNECTOR_ID: id, CONNECTOR_LIVE_STREAM_ID: stream })
    assert.deepEqual([streamed.stream.id, streamed.enrichment.id], [id, undefined])
    const enriched = await load({ CONNECTOR_ID: id })
    assert.deepEqual([enriched.stream.id, enriched.enrichment.id], [undefined, id])
  })

  test('of another type is refused, with what Cordon is', async () => {
    await assert.rejects(load({ CONNECTOR_TYPE: 'EXTERNAL_IMPORT' }), {
      code: 'setting_invalid',
      message: 'CONNECTOR_TYPE is EXTERNAL_IMPORT, which Cordon is not',
    })
  })

  test('gives way to the settings file and to our own names, and says nothing where it is empty', async () => {
    const { enrichment } = await load(
      { CONNECTOR_ID: id, CONNECTOR_NAME: 'Theirs', CORDON_OPENCTI_NAME: 'Ours', MQ_HOST: '' },
      { opencti: { url: 'https://other.example' } },
    )
    const { url, name, mq_host } = enrichment
    assert.deepEqual([url, name, mq_host], ['https://other.example', 'Ours', undefined])
  })

  test('is warned of where it asks for what is not heeded, never silently', async () => {
    const { warnings } = await load({
      CONNECTOR_TYPE: 'STREAM',
      CONNECTOR_CONFIDENCE_LEVEL: '80',
      CONNECTOR_LIVE_STREAM_LISTEN_DELETE: 'false',
      CONNECTOR_LIVE_STREAM_WITH_INFERENCES: 'true',
      CONNECTOR_LIVE_STREAM_RECOVER_ISO_DATE: '2026-03-01T00:00:00Z',
    })
    assert.equal(warnings.length, 4)
    assert.match(warnings[0] ?? '', /CONNECTOR_CONFIDENCE_LEVEL does nothing since OpenCTI 6\.0/)
    assert.match(warnings.join(), /LISTEN_DELETE=false: what the platform deletes is always lifted/)
  })

  test('says when nothing is to be replayed, or from when', async () => {
    const from = async (more: Record<string, string>) =>
      (await load({ CONNECTOR_TYPE: 'STREAM', ...more })).stream.from
    assert.equal(await from({ CONNECTOR_LIVE_STREAM_RECOVER_ISO_DATE: 'none' }), 'now')
    const since = { CONNECTOR_LIVE_STREAM_START_TIMESTAMP: '1772359200000' }
    assert.equal(await from(since), '2026-03-01T10:00:00.000Z')
  })

  test('gives an authority as text or as a file', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-ca-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const file = join(dir, 'ca.pem')
    writeFileSync(file, pem)
    for (const HTTPS_CA_CERTIFICATES of [pem, file])
      assert.equal((await load({ HTTPS_CA_CERTIFICATES })).enrichment.ca?.trim(), pem.trim())
    await assert.rejects(load({ HTTPS_CA_CERTIFICATES: join(dir, 'none.pem') }), {
      code: 'setting_invalid',
    })
  })
})
