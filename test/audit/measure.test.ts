/** What is allowed, limited or blocked in part, as a SIEM gets it: in the fields of ECS that say so. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { openTestService, type TestService } from '../service.ts'
import { checkEcs } from './ecs-fields.ts'

const Document = z.looseObject({
  event: z.looseObject({ action: z.string(), type: z.array(z.string()) }),
  cordon: z.looseObject({ decision: z.looseObject({ action: z.string() }).optional() }),
})

test('an allow is allowed and ends by its lift, a limit is neither allowed nor denied', async (t) => {
  const service = await open(t)
  const allow = await order(service, { action: 'allow' })
  await service.ask('POST', `/v1/decisions/${allow}/lift`, { body: { reason: 'test' } })
  const rate = { packets: 20, per: 'second', burst: 40 }
  await order(service, { action: 'limit', rate })
  const found = (await documents(service)).filter(({ event }) => /^decision/.test(event.action))
  assert.deepEqual(
    found.map(({ event, cordon }) => [cordon.decision?.action, event.action, event.type]),
    [
      ['allow', 'decision.issue', ['connection', 'allowed']],
      ['allow', 'decision.lift', ['connection', 'end']],
      ['limit', 'decision.issue', ['connection', 'info']],
    ],
  )
})

test('one port, its protocol and its interface stand in their fields, several ports do not', async (t) => {
  const service = await open(t)
  const scope = { protocol: 'tcp', interface: 'eth0' }
  await order(service, { ...scope, ports: ['22'], direction: 'in' })
  await order(service, { ...scope, ports: ['22', '80'], direction: 'out' })
  const [one, several] = (await documents(service)).filter(
    ({ event }) => event.action === 'decision.issue',
  )
  assert.deepEqual(
    [one?.network, one?.destination, one?.observer, one?.source],
    [
      { transport: 'tcp' },
      { port: 22 },
      { ingress: { interface: { name: 'eth0' } } },
      { ip: '203.0.113.7' },
    ],
  )
  assert.deepEqual(
    [several?.destination, several?.observer],
    [{ ip: '203.0.113.7' }, { egress: { interface: { name: 'eth0' } } }],
  )
})

test('both ends of what is forwarded stand on the side of whom each sends or gets', async (t) => {
  const service = await open(t)
  const scope = { interface: 'eth0', peer: '192.0.2.10', peer_interface: 'eth1' }
  for (const direction of ['forward_from', 'forward_to', 'forward'])
    await order(service, { ...scope, direction, protocol: 'tcp', ports: ['22'] })
  await order(service, { direction: 'forward_to', peer: '192.0.2.0/28' })
  const found = (await documents(service)).filter(({ event }) => event.action === 'decision.issue')
  const [target, peer] = ['203.0.113.7', '192.0.2.10']
  const [near, far] = [{ interface: { name: 'eth0' } }, { interface: { name: 'eth1' } }]
  const ends = { source: { ip: target }, destination: { ip: peer, port: 22 } }
  const sides = { ingress: near, egress: far }
  const related = { ip: [target, peer], user: ['test-admin'] }
  assert.deepEqual(
    found.map((document) => [document.source, document.destination, document.observer]),
    [
      [ends.source, ends.destination, sides],
      [{ ip: peer }, { ip: target, port: 22 }, { ingress: far, egress: near }],
      [ends.source, ends.destination, sides],
      // A network is no address of a packet.
      [undefined, { ip: target }, undefined],
    ],
  )
  assert.deepEqual(found[0]?.related, related)
  const told = found[0]?.cordon.decision ?? {}
  assert.deepEqual(
    ['direction', 'peer', 'peer_interface'].map((name) => Object(told)[name]),
    ['forward_from', peer, 'eth1'],
  )
})

async function order(service: TestService, more: object): Promise<string> {
  const body = { target: '203.0.113.7', for: '1h', reason: 'test', ...more }
  const answer = await service.ask('POST', '/v1/decisions', { body })
  assert.equal(answer.status, 201, answer.text)
  return answer.body.decision?.id ?? ''
}

async function documents(service: TestService) {
  const { text } = await service.ask('GET', '/v1/journal/export')
  const found = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  for (const document of found) checkEcs(document)
  return found.map((document) => Document.parse(document))
}

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}
