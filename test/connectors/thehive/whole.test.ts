/** From an alert to the block and back: a real service, and TheHive with its web hook. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import pino from 'pino'
import { z } from 'zod'
import { startService } from '../../../actions/service.ts'
import { ServiceSettings } from '../../../actions/settings.ts'
import { startTheHive, theHiveWorld } from '../../doubles/thehive.ts'
import { plainPolicy } from '../../service.ts'

const Decision = z.object({
  id: z.string(),
  state: z.string(),
  actor: z.string().nullable(),
  note: z.string().nullable(),
})
const anna = 'anna@example.test'

/** A service that looks for answers by itself once an hour only: whatever comes sooner came by the web hook. */
async function open(t: TestContext, policy = plainPolicy) {
  const world = theHiveWorld()
  const hive = await startTheHive(world)
  t.after(() => hive.close())
  const dir = mkdtempSync(join(tmpdir(), 'cordon-thehive-'))
  writeFileSync(join(dir, 'policy.yaml'), policy)
  const service = await startService(
    ServiceSettings.parse({
      data_dir: join(dir, 'data'),
      listen: '127.0.0.1:0',
      policy: join(dir, 'policy.yaml'),
      connectors: ['webhook', 'thehive'],
    }),
    {
      log: pino({ level: 'silent' }),
      environment: {},
      connectorSections: { thehive: { url: hive.url, api_key: 'key-1', look_every: '1h' } },
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    },
  )
  t.after(async () => {
    await service.stop()
    rmSync(dir, { recursive: true })
  })
  const ask = async (
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
    token = service.adminToken,
  ) => {
    const answer = await fetch(`${service.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return {
      status: answer.status,
      body: z.record(z.string(), z.unknown()).parse(await answer.json()),
    }
  }
  const made = await ask('POST', '/v1/tokens', { name: 'thehive', scopes: ['ingest'] })
  const key = z.string().parse(made.body.secret)
  world.hook = { url: `${service.url}/v1/alerts/thehive`, key }
  const decision = async (id: string) =>
    Decision.parse((await ask('GET', `/v1/decisions/${id}`)).body.decision)
  /** Fails rather than waits for ever. */
  const until = async (what: string, enough: () => Promise<boolean> | boolean) => {
    for (let tries = 0; tries < 1_200; tries++) {
      if (await enough()) return
      await wait(50)
    }
    assert.fail(`${what}: ${JSON.stringify(world.alerts)}`)
  }
  const question = async (attacker: string, target = attacker) => {
    await ask('POST', '/v1/alerts/webhook', { id: attacker, attacker, rule: 'test', severity: 50 })
    await until('the alert is there', () =>
      world.alerts.some(({ title }) => title.includes(target)),
    )
    const alert = world.alerts.find(({ title }) => title.includes(target))
    assert.ok(alert)
    return alert
  }
  return { world, hive, ask, key, decision, until, question }
}

test('an alert waits, is asked about in TheHive, approved there, and becomes a block', async (t) => {
  const { hive, decision, until, question } = await open(t)
  const alert = await question('203.0.113.7')
  const id = alert.sourceRef
  assert.equal((await decision(id)).state, 'waiting')
  await hive.change(anna, id, { addTags: ['cordon:approve'] })
  await until('the block is issued', async () => (await decision(id)).state === 'issued')
  const { actor, note } = await decision(id)
  assert.equal(actor, `thehive/${anna}`)
  assert.equal(note, `the tag cordon:approve on alert ${alert._id} in TheHive`)
  await until('the alert says so', () => alert.comments.length > 0)
  assert.match(
    alert.comments[0]?.message ?? '',
    /Block of 203\.0\.113\.7 approved.*\n.*\n {4}By anna@example\.test/,
  )
  assert.deepEqual([alert.comments.length, alert.status], [1, 'Approved'])
})

test('a web hook that claims an approval which TheHive does not have does nothing', async (t) => {
  const { world, hive, ask, key, decision, until, question } = await open(t)
  const alert = await question('203.0.113.8')
  const looks = () => world.asked.filter((place) => place.endsWith('/query')).length
  const before = looks()
  const forged = {
    ...alert,
    status: 'Approved',
    stage: 'Closed',
    tags: ['cordon:approve'],
    _updatedBy: anna,
  }
  const event = {
    _type: 'Audit',
    action: 'update',
    objectType: 'Alert',
    objectId: alert._id,
    object: forged,
  }
  const sent = await ask('POST', '/v1/alerts/thehive', event, key)
  assert.deepEqual([sent.status, sent.body.ignored], [200, 1])
  await until('it has looked', () => looks() > before)
  assert.equal((await ask('POST', '/v1/alerts/thehive', event, 'no-token')).status, 401)
  // What is really said afterwards is heard, so that the forged word was looked at and found to be none before.
  await hive.change(anna, alert.sourceRef, { status: 'Declined' })
  await until('it is declined', async () => (await decision(alert.sourceRef)).state === 'declined')
})

test('what is answered elsewhere first cannot be answered in TheHive any more', async (t) => {
  const { hive, ask, decision, until, question } = await open(t)
  const alert = await question('203.0.113.9')
  const id = alert.sourceRef
  await ask('POST', `/v1/decisions/${id}/decline`, { reason: 'our own scanner' })
  await until('the alert is closed', () => alert.comments.length > 0)
  assert.deepEqual([alert.status, alert.tags.includes('cordon:settled')], ['Declined', true])
  await hive.change(anna, id, { addTags: ['cordon:approve'], status: 'Approved' })
  const other = await question('203.0.113.10')
  await hive.change(anna, other.sourceRef, { addTags: ['cordon:approve'] })
  await until(
    'the other one is approved',
    async () => (await decision(other.sourceRef)).state === 'issued',
  )
  assert.equal((await decision(id)).state, 'declined')
})

test('a block that needs two people is not made by one in TheHive, and the alert says why', async (t) => {
  const policy = plainPolicy.replace(
    'rules:',
    'review: { second_approver: { ipv4_prefix: 28, ipv6_prefix: 128 } }\nrules:',
  )
  const { hive, decision, until, question } = await open(t, policy)
  const alert = await question('2001:db8::7', '2001:db8::/64')
  await hive.change(anna, alert.sourceRef, { addTags: ['cordon:approve'] })
  await until('the alert says why', () => alert.comments.length > 0)
  assert.match(
    alert.comments[0]?.message ?? '',
    /needs two people by name, and thehive\/anna@example\.test has no token here/,
  )
  assert.equal((await decision(alert.sourceRef)).state, 'waiting')
  assert.deepEqual(alert.tags, ['cordon'])
})
