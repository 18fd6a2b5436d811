/** From a vendor's record to the kernel, the receipt and the end: each connector, both families, two groups of nodes. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openStage, type Stage } from '../crash/stage.ts'
import { until } from '../crash/until.ts'
import { delivers, type Host, host, ownNamespace } from '../namespace.ts'
import { eveAlert, fastAlert, wazuhAlert, webhookBody } from './records.ts'

const kernel = await ownNamespace(import.meta.url)
const policy = `
version: 1
rules:
  - { name: ssh, because: many failed logins, when: '"sshd" in alert.groups', verdict: block, for: 6s, audience: [group/web] }
  - { name: intrusion, because: the sensor says so, when: alert.source == "suricata", verdict: block, for: 6s }
  - { name: honeypot, because: nobody has business there, when: alert.source == "webhook", verdict: block, for: 6s, audience: [group/db, group/web] }
  - { name: rest, because: test, when: 'true', verdict: watch }
`
const folder = mkdtempSync(join(tmpdir(), 'cordon-journey-'))
after(() => rmSync(folder, { recursive: true }))
const files = {
  alerts: join(folder, 'alerts.json'),
  eve: join(folder, 'eve.json'),
  fast: join(folder, 'fast.log'),
}
/** What was there before the service came is history. */
const history = '203.0.113.250'

describe('a record of a vendor becomes a block that ends by its time', {
  skip: kernel.skip,
  concurrency: true,
}, () => {
  let stage: Stage
  let attacker: Host
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    writeFileSync(files.alerts, `${wazuhAlert(history)}\n`)
    writeFileSync(files.eve, `${eveAlert(history)}\n`)
    writeFileSync(files.fast, `${fastAlert(history)}\n`)
    stage = await openStage({
      policy,
      nodes: { 'web-01': ['web'], 'db-01': ['db'] },
      connectors: ['wazuh', 'suricata', 'webhook'],
      sections: {
        wazuh: { files: [files.alerts] },
        suricata: { files: [files.eve, files.fast], zone: 'UTC' },
      },
    })
    await until('the files are followed', async () => {
      const { body } = await stage.ask('GET', '/v1/connectors')
      const states = JSON.stringify(body.sources)
      return (states.match(/"following"/g)?.length ?? 0) !== 3 && states
    })
  })
  after(async () => {
    await stage.close()
    await attacker.close()
  })

  const both = ['web-01', 'db-01']
  const post = (connector: string) => async (record: string) => {
    const { status, body } = await stage.ask('POST', `/v1/alerts/${connector}`, JSON.parse(record))
    assert.deepEqual([status, body.stored, body.refused], [200, 1, 0])
  }
  const append = (file: string) => async (record: string) => appendFileSync(file, `${record}\n`)

  for (const { name, bring, record, source, cuts, addresses } of [
    {
      name: 'an alert that Wazuh posts',
      ...{ bring: post('wazuh'), record: wazuhAlert, source: 'wazuh', cuts: ['web-01'] },
      addresses: ['203.0.113.1', '2001:db8:a:1::7'],
    },
    {
      name: "a line in Wazuh's alerts.json",
      ...{ bring: append(files.alerts), record: wazuhAlert, source: 'wazuh', cuts: ['web-01'] },
      addresses: ['203.0.113.2', '2001:db8:a:2::7'],
    },
    {
      name: "a line in Suricata's eve.json",
      ...{ bring: append(files.eve), record: eveAlert, source: 'suricata', cuts: both },
      addresses: ['203.0.113.3', '2001:db8:a:3::7'],
    },
    {
      name: "a line in Suricata's fast.log",
      ...{ bring: append(files.fast), record: fastAlert, source: 'suricata', cuts: both },
      addresses: ['203.0.113.4', '2001:db8:a:4::7'],
    },
    {
      name: 'the body of a webhook',
      ...{ bring: post('webhook'), record: webhookBody, source: 'webhook', cuts: both },
      addresses: ['203.0.113.5', '2001:db8:a:5::7'],
    },
  ])
    for (const address of addresses)
      test(`${name}, of ${address}`, async () => {
        const text = record(address)
        await passes(both, address)
        await bring(text)
        const target = address.includes(':') ? address.replace(/::7$/, '::/64') : address
        const decision = await decisionOn(target)
        await until('the receipts come', async () => {
          const { nodes } = await shown(decision)
          return nodes.applied !== cuts.length && JSON.stringify(nodes)
        })
        await cut(cuts, address)
        if (address.includes(':')) await cut(cuts, address.replace(/::7$/, ':ffff::1'))
        await passes(
          both.filter((one) => !cuts.includes(one)),
          address,
        )
        await told(decision, { text, source, target, count: cuts.length })
        for (const one of cuts)
          await until('it ends', async () => !(await reaches(one, address)) && 'it is cut')
        await passes(both, address)
        await until('the service says so', async () => {
          const { state, end_reason, nodes } = await shown(decision)
          const end = `${state} ${end_reason} ${nodes.ended}`
          return end !== `ended expired ${cuts.length}` && end
        })
      })

  test('what stood in the files before is not read', async () => {
    await until('other records were read', async () => {
      const { body } = await stage.ask('GET', '/v1/alerts')
      return body.alerts.length < 5 && 'not yet'
    })
    const { body } = await stage.ask('GET', `/v1/alerts?attacker=${history}`)
    assert.deepEqual(body.alerts, [])
  })

  async function reaches(name: string, from: string): Promise<boolean> {
    const node = stage.node(name).host
    return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  }
  async function passes(names: readonly string[], from: string): Promise<void> {
    for (const name of names) assert.equal(await reaches(name, from), true, `${from} to ${name}`)
  }
  async function cut(names: readonly string[], from: string): Promise<void> {
    for (const name of names) assert.equal(await reaches(name, from), false, `${from} to ${name}`)
  }
  async function decisionOn(target: string): Promise<string> {
    let found = ''
    await until(`a decision on ${target}`, async () => {
      const { body } = await stage.ask('GET', `/v1/decisions?target=${encodeURIComponent(target)}`)
      found = body.decisions[0]?.id ?? ''
      return found === '' && 'there is none'
    })
    return found
  }
  async function shown(id: string) {
    const { body } = await stage.ask('GET', `/v1/decisions/${id}`)
    return body.decision ?? assert.fail(`there is no decision ${id}`)
  }
  /** What a person sees who asks why: the record, word for word, and who did what when. */
  async function told(
    id: string,
    {
      text,
      source,
      target,
      count,
    }: { text: string; source: string; target: string; count: number },
  ): Promise<void> {
    const { body } = await stage.ask('GET', `/v1/decisions/${id}`)
    const [alert] = Array.isArray(body.evidence) ? body.evidence : []
    assert.deepEqual([alert.source, alert.original], [source, text])
    assert.deepEqual(
      body.timeline.map(({ actor, action }) => `${actor} ${action}`),
      ['policy decision.issue'],
    )
    const why = await stage.ask('GET', `/v1/why?address=${encodeURIComponent(target)}`)
    assert.equal(why.body.blocked, true)
    const holding = why.body.nodes.filter((one) => 'status' in one && one.status === 'applied')
    assert.equal(holding.length, count)
  }
})
