/** The manifest for Tines: a story in the shape of an export, read and run as Tines does. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { type Listening, openListening } from './shuffle/open-listening.ts'
import { faults, readStory, runStory } from './tines/run-story.ts'

const folder = new URL('../../manifests/tines/', import.meta.url)
const sample = new URL(
  '../../../shared/contracts/soar-samples/tines/authored-story.json',
  import.meta.url,
)
const noSample = existsSync(sample) ? false : 'the samples in ../shared are not here'
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const story = readStory(read('cordon.json'))

describe('the story', () => {
  test('is whole, and holds no secret', () => {
    assert.deepEqual(faults(story), [])
    for (const agent of story.agents) {
      if (agent.type === 'Agents::WebhookAgent') assert.match(agent.options.secret, /^0+$/)
      if (agent.type !== 'Agents::HTTPRequestAgent') continue
      assert.equal(agent.options.headers.Authorization, 'Bearer <<CREDENTIAL.cordon>>')
      assert.ok(!Object.hasOwn(agent.options, 'disable_ssl_verification'))
    }
  })
  test('a story with faults is found out', () => {
    const broken = readStory(
      read('cordon.json').replaceAll('receive_order.body.reason', 'order.body.reason'),
    )
    broken.links.push({ source: 1, receiver: 99 })
    assert.deepEqual(
      [...new Set(faults(broken))],
      ['the link 1 to 99 leads nowhere', '<<order>> is no action'],
    )
  })
  test('has every key that the sample of an export has', { skip: noSample }, () => {
    const keys = (text: string) => Object.keys(z.looseObject({}).parse(JSON.parse(text))).sort()
    assert.deepEqual(keys(read('cordon.json')), keys(readFileSync(sample, 'utf8')))
  })
})

const Event = z.object({
  status: z.number(),
  body: z.looseObject({
    ordered: z.boolean().optional(),
    remedy: z.string().optional(),
    waiting: z.number().optional(),
    decision: z.looseObject({ state: z.string() }).optional(),
    decisions: z.array(z.looseObject({ target: z.string() })).optional(),
  }),
})

describe('the story against a service', () => {
  let open: Listening
  before(async () => {
    open = await openListening(['review'])
  })
  after(() => open.close())
  const place = () => ({
    RESOURCE: { cordon_url: open.url },
    CREDENTIAL: { cordon: open.token },
  })
  const run = async (order: { operation: string } & Record<string, unknown>) => {
    const made = await runStory(story, order, place())
    assert.equal(made.size, 1, 'one order is one request')
    return Event.parse([...made.values()][0])
  }

  test('block, explain, list and lift, also of IPv6', async () => {
    for (const target of ['192.0.2.80', '2001:db8::80']) {
      const blocked = await run({ operation: 'block', target, reason: 'seen twice' })
      assert.deepEqual([blocked.status, blocked.body.decision?.state], [201, 'issued'])
      assert.equal((await run({ operation: 'explain', target })).body.ordered, true)
      await run({ operation: 'lift', target, reason: 'false alarm' })
      assert.equal((await run({ operation: 'explain', target })).body.ordered, false)
    }
    assert.deepEqual((await run({ operation: 'list' })).body.decisions, [])
    const ended = await run({ operation: 'list', state: 'ended', limit: 1 })
    assert.equal(ended.body.decisions?.length, 1)
  })
  test('list what waits, approve and decline', async () => {
    const [yes, no] = [await open.question('192.0.2.81'), await open.question('192.0.2.82')]
    assert.equal((await run({ operation: 'questions' })).body.waiting, 2)
    const approved = await run({ operation: 'approve', decision_id: yes, reason: 'known' })
    assert.equal(approved.body.decision?.state, 'issued')
    const declined = await run({ operation: 'decline', decision_id: no, reason: 'ours' })
    assert.equal(declined.body.decision?.state, 'declined')
  })
  test('a refusal is an event with what to do, and an unknown operation nothing', async () => {
    const refused = await run({ operation: 'block', target: '10.0.0.1', reason: 'seen twice' })
    assert.equal(refused.status, 409)
    assert.match(refused.body.remedy ?? '', /choose a target beside it/)
    assert.equal((await runStory(story, { operation: 'unblock' }, place())).size, 0)
  })
})
