/**
 * Whole conversations, replayed from captures where the vendor's schema is not there. Where it is, they are held against
 * it, and written anew with UPDATE_CAPTURES=1.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openClient } from '../../connectors/opencti/client/client.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { keepAlive, register } from '../../connectors/opencti/client/presence.ts'
import { answerJob } from '../../connectors/opencti/enrich/answer-job.ts'
import { atWork } from '../../connectors/opencti/enrich/at-work.ts'
import { registerEnrichment } from '../../connectors/opencti/enrich/register.ts'
import { openSightings } from '../../connectors/opencti/enrich/sightings.ts'
import { openLookup } from '../../connectors/opencti/lookup/lookup.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import type { Bundle } from '../../connectors/opencti/stix/stix-object.ts'
import { lookUp } from '../../connectors/opencti-stream/reconcile.ts'
import { emptyWorld, schemaMissing, startOpenCti, userId, type World } from '../doubles/opencti.ts'
import { Capture, captureOf, startReplay } from '../doubles/opencti-replay.ts'
import {
  alertsAt,
  block,
  confirmed,
  connectorId,
  cordonThatKnows,
  entity,
  job,
  now,
  playbookJob,
} from './jobs.ts'
import { indicator, observable } from './world.ts'

const attacker = '203.0.113.7'
const token = emptyWorld().token

/** What it resolves with does not depend on who answers, but for the address of the platform. */
type Conversation = (url: string) => Promise<unknown>

const conversations: Record<string, Conversation> = {
  lookup: async (url) => {
    const lookup = openLookup(Settings.parse({ url, token }), () => now)
    const said = []
    for (const address of [attacker, '2001:db8::1', '203.0.113.99']) {
      const request = lookup.request(address)
      assert.ok(request)
      const { method = 'GET', body = null, headers } = request
      const response = await fetch(request.url, { method, body, headers: { ...headers } })
      const answer = { status: response.status, headers: {}, body: await response.text() }
      const { link: _, ...rest } = lookup.read(answer, address)
      said.push(rest)
    }
    return said
  },
  enrichment: async (url) => {
    const { parts, sent } = answering(url)
    const settings = Settings.parse({ url, token, id: connectorId })
    const signal = AbortSignal.timeout(60_000)
    await registerEnrichment(parts.client, connectorId, settings, signal)
    await answerJob(parts, job(entity(attacker)), signal)
    await answerJob(parts, job(entity(attacker), { draft_id: 'draft-1' }), signal)
    await answerJob(parts, playbookJob(entity(attacker)), signal)
    return sent
  },
  presence: async (url) => {
    const { client } = answering(url).parts
    const stop = new AbortController()
    const input = { ...stream, listen_callback_uri: null }
    const { connector_state, connector_user_id } = await register(client, input, stop.signal)
    const heard: unknown[] = []
    const alive = {
      id: connectorId,
      everyMs: 1,
      state: () => '{"start_from":"1772359200900-0"}',
      heard: (state: unknown) => {
        heard.push(state)
        stop.abort()
      },
    }
    await keepAlive(client, alive, stop.signal)
    return [connector_state, connector_user_id, ...heard]
  },
  held: async (url) => {
    const { client } = answering(url).parts
    const held = ['indicator--1', 'indicator--was-2', 'indicator--3']
    return lookUp(client, held, '1772359200900-0', AbortSignal.timeout(60_000))
  },
  sightings: async (url) => {
    const { parts, sent } = answering(url)
    const settings = Settings.parse({
      id: connectorId,
      sightings: true,
      sightings_tlp: 'TLP:GREEN',
    })
    atWork.set(settings, { ...parts, id: connectorId })
    const [sink] = openSightings(settings)
    await sink?.take([confirmed('1', attacker)], AbortSignal.timeout(60_000))
    return sent
  },
}

const stream = {
  id: connectorId,
  name: 'Cordon blocks',
  type: 'STREAM',
  scope: ['indicator'],
  auto: false,
  auto_update: false,
  enrichment_resolution: 'none',
  only_contextual: false,
  playbook_compatible: false,
} as const

for (const [name, converse] of Object.entries(conversations))
  describe(`the conversation "${name}"`, () => {
    const file = fileURLToPath(new URL(`captures/${name}.json`, import.meta.url))

    test('is what was captured of the real schema', { skip: schemaMissing() }, async () => {
      const world = furnished()
      const platform = await startOpenCti(world)
      const said = await converse(platform.url)
      await platform.close()
      const found = { said, capture: captureOf(world.exchanges) }
      if (process.env.UPDATE_CAPTURES)
        writeFileSync(file, `${JSON.stringify(found, undefined, 1)}\n`)
      assert.deepEqual(JSON.parse(JSON.stringify(found)), read(file))
    })

    test('goes the same way against the capture', async () => {
      const { said, capture } = read(file)
      const replay = await startReplay(Capture.parse(capture))
      assert.deepEqual(JSON.parse(JSON.stringify(await converse(replay.url))), said)
      await replay.close()
      assert.deepEqual([replay.surprises, replay.left], [[], []])
    })
  })

function read(file: string): { said: unknown; capture: unknown } {
  return JSON.parse(readFileSync(file, 'utf8'))
}

function answering(url: string) {
  const sent: Bundle[] = []
  const known = new Map([[attacker, { alerts: alertsAt(1), decisions: [block()] }]])
  const parts = {
    client: openClient(readPlatform('opencti', Settings.parse({ url, token }))),
    cordon: cordonThatKnows(known),
    user: userId,
    author: 'Cordon',
    ceiling: 'TLP:AMBER' as const,
    send: async (bundle: Bundle) => {
      sent.push(bundle)
    },
  }
  return { parts, sent }
}

/** Held by the platform under its id, or under another one by now. */
function stixed(id: string, earlier: string[], host: string) {
  const pattern = `[ipv4-addr:value = '${host}']`
  const extensions = {
    'extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba': { stix_ids: earlier },
  }
  return indicator(id, pattern, {
    standard_id: id,
    x_opencti_stix_ids: earlier,
    toStix: JSON.stringify({ id, type: 'indicator', pattern, extensions }),
  })
}

function furnished(): World {
  const found = indicator('i-1', `[ipv4-addr:value = '${attacker}']`)
  return {
    ...emptyWorld(),
    observables: [observable(attacker), observable('2001:DB8::1', { x_opencti_score: 45 })],
    indicators: [
      found,
      stixed('indicator--1', [], '198.51.100.1'),
      stixed('indicator--2', ['indicator--was-2'], '198.51.100.2'),
    ],
    connectors: new Map([[connectorId, { state: null, input: {} }]]),
  }
}
