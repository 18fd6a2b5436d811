/** The app for Shuffle: its api.yaml as Shuffle decodes it, and every action against a service. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { after, before, describe, test } from 'node:test'
import { serve } from '@hono/node-server'
import { parse } from 'yaml'
import { z } from 'zod'
import { chooseCertificate } from '../../../actions/certificate.ts'
import { record } from '../../service.ts'
import { loadApp } from './load-app.ts'
import { type Listening, openListening } from './open-listening.ts'
import { performWith, standIn } from './perform-action.ts'
import { noPackage, noPython } from './run-python.ts'

const folder = new URL('../../../manifests/shuffle/app/cordon/1.0.0/', import.meta.url)
const samples = new URL('../../../../shared/contracts/soar-samples/shuffle/', import.meta.url)
const noSamples = existsSync(samples) ? false : 'the samples in ../shared are not here'
const read = (name: string, from = folder) => readFileSync(new URL(name, from), 'utf8')
const app = loadApp(parse(read('api.yaml')))

let open: Listening
before(async () => {
  open = await openListening(['review', 'ingest'])
})
after(() => open.close())
const place = () => ({ url: open.url, api_key: open.token })

describe('the app in Shuffle', () => {
  test('its api.yaml is taken, and its image has the name that Shuffle gives it', () => {
    assert.equal(app.image, 'frikky/shuffle:cordon_1.0.0')
    for (const name of ['Dockerfile', 'requirements.txt', 'src/app.py', 'README.md'])
      assert.ok(existsSync(new URL(name, folder)), `${name} is missing`)
  })
  test('the token is masked where it is typed in', () => {
    const token = app.app.authentication?.parameters?.find(({ name }) => name === 'api_key')
    assert.match(token?.example ?? '', /^\*+$/)
  })
  test('rules of the decoder, against what the real one did', { skip: noSamples }, () => {
    const expected = z
      .record(z.string(), z.looseObject({ shuffle: z.string(), image: z.string().optional() }))
      .parse(JSON.parse(read('api-yaml-cases/expected.json', samples)))
    for (const [name, { shuffle, image }] of Object.entries(expected)) {
      const text = read(`api-yaml-cases/${name}.yaml`, samples)
      if (shuffle === 'skipped') assert.throws(() => loadApp(parse(text)), name)
      else assert.equal(loadApp(parse(text)).image, image, name)
    }
  })
  for (const [sdk, path, skip] of [
    ['a stand-in of its SDK', standIn, noPython],
    ['its real SDK', '', noPackage('shuffle_sdk')],
  ] as const)
    describe(`run by ${sdk}`, { skip }, () => {
      const perform = performWith(path, place)

      test('every action is a method that takes all its parameters', async () => {
        for (const [name, parameters] of app.actions) {
          const values = Object.fromEntries(parameters.map((one) => [one.name, '']))
          const { success, message } = await perform(name, { ...values, url: 'nowhere' })
          assert.equal(success, false)
          assert.match(message, /https|JSON/, name)
        }
      })
      test('blocks an address, finds it, and lifts it', async () => {
        const order = { target: '192.0.2.30', reason: 'seen twice' }
        const blocked = await perform('block_address', order)
        assert.deepEqual([blocked.success, blocked.status, blocked.state], [true, 201, 'issued'])
        const found = await perform('lookup_address', { address: '192.0.2.30' })
        assert.match(found.message, /ordered to be blocked.*T07:00:00/)
        assert.match((await perform('list_blocked', { state: 'issued' })).text, /192\.0\.2\.30/)
        const lifted = await perform('lift_address', { target: '192.0.2.30', reason: 'mistake' })
        assert.equal(lifted.message, '1 lifted, nothing else covers it')
      })
      test('calls nothing blocked that passes, or of which a part does', async () => {
        const { service } = open
        const order = (target: string, more: object) => {
          const body = { target, for: '4h', reason: 'ours', ...more }
          return service.ask('POST', '/v1/decisions', { body })
        }
        const told = async (address: string) =>
          (await perform('lookup_address', { address })).message
        await order('192.0.2.35', { action: 'allow' })
        assert.match(
          await told('192.0.2.35'),
          /^192\.0\.2\.35 is not blocked; allowed until 20\S+ by /,
        )
        await order('192.0.2.35', {})
        assert.match(
          await told('192.0.2.35'),
          / is ordered to be blocked, until .*; allowed until /,
        )
        await order('192.0.2.36', { protocol: 'tcp', ports: ['22'] })
        const part = '192.0.2.36 is blocked or limited for a part of its traffic'
        assert.equal(await told('192.0.2.36'), part)
      })
      test('says why a protected address is not blocked, and what to do', async () => {
        const refused = await perform('block_address', { target: '10.0.0.1', reason: 'seen twice' })
        assert.deepEqual([refused.success, refused.status], [false, 409])
        assert.match(refused.message, /private network.*: choose a target beside it/)
      })
      test('sends an alert, and answers the question that comes of it', async () => {
        const alert = JSON.stringify(record('192.0.2.31', { severity: 50 }))
        const { decision_id, outcome, state } = await perform('send_alert', { alert })
        assert.deepEqual([outcome, state], ['review', 'waiting'])
        assert.match((await perform('list_questions', {})).text, new RegExp(decision_id ?? '-'))
        const answer = { decision_id: decision_id ?? '', reason: 'our scanner' }
        assert.equal((await perform('decline_decision', answer)).state, 'declined')
        assert.equal((await perform('approve_decision', answer)).status, 409)
      })
    })
})

describe('what the app trusts', { skip: noPython }, () => {
  test('a certificate of the service itself only when it was given, also on one line', async () => {
    const perform = performWith(standIn, place)
    const settings = {
      data_dir: open.service.dir,
      public_url: 'https://127.0.0.1',
      tls_cert: undefined,
      tls_key: undefined,
    }
    const certificate = await chooseCertificate(settings, '127.0.0.1', false, Date.now())
    assert.ok(certificate)
    const { cert, key } = certificate
    const server = await new Promise<ReturnType<typeof serve>>((done) => {
      const started = serve(
        {
          fetch: open.service.app.fetch,
          hostname: '127.0.0.1',
          port: 0,
          createServer,
          serverOptions: { cert, key },
        },
        () => done(started),
      )
    })
    try {
      const place = server.address()
      assert.ok(place !== null && typeof place === 'object')
      const https = { url: `https://127.0.0.1:${place.port}`, address: '192.0.2.1' }
      const refused = await perform('lookup_address', https)
      assert.deepEqual([refused.status, refused.success], [0, false])
      assert.match(refused.message, /CERTIFICATE_VERIFY_FAILED/)
      const given = { ...https, certificate: cert.replaceAll('\n', ' ') }
      assert.equal((await perform('lookup_address', given)).message, '192.0.2.1 is not blocked')
    } finally {
      await new Promise((done) => server.close(done))
    }
  })
  test('no address but https, and no token that could break out of its header', async () => {
    const perform = performWith(standIn, place)
    const plain = await perform('lookup_address', { url: 'http://cordon.example', address: '::1' })
    assert.match(plain.message, /has to begin with https/)
    const broken = await perform('lookup_address', { api_key: 'a\r\nb: c', address: '::1' })
    assert.match(broken.message, /the token is none of Cordon's/)
  })
})
