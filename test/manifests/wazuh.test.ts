/** The scripts for Wazuh with a decision service behind them: what is blocked, let go of, kept, refused and caught up on. */
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { listen } from '../listening.ts'
import { openTestService } from '../service.ts'
import { block, ended, type Host, openHost, orderLine } from './wazuh-host.ts'

const tenMinutes = `restart-wazuh0 - restart-wazuh - 0\ncordon-block600 - cordon-block - 600\nfirewall-drop9999 - firewall-drop - 9999\n`
const attacker = '203.0.113.7'
const alert = {
  timestamp: '2026-03-01T03:00:00.000+0000',
  rule: { id: '5712', level: 14, description: 'sshd: brute force', groups: ['sshd'] },
  agent: { id: '002', name: 'bastion' },
  manager: { name: 'wazuh-a' },
  id: '1772334000.1',
  data: { srcip: attacker },
}

describe('what Wazuh orders', () => {
  test('is blocked a minute longer than Wazuh means it, and says by which rule and where', async (t) => {
    const { host, service, lasts } = await world(t)
    await host.add(orderLine('add', attacker))
    await host.delivered()
    const [decision] = (await service.ask('GET', '/v1/decisions')).body.decisions
    assert.equal(decision?.target, attacker)
    assert.equal(decision?.state, 'issued')
    lasts(decision, 660_000)
    assert.match(
      decision?.note ?? '',
      /^active response of wazuh on \S+: rule 5763: sshd: brute force$/,
    )
    assert.match(host.log(), /cordon-block: blocked: 203\.0\.113\.7 is blocked until .*\(d-/)
  })

  test('is let go of when its time is over', async (t) => {
    const { host, service, states } = await world(t)
    await host.add(orderLine('add', attacker))
    await host.delivered()
    service.clock.now += 630_000
    await host.give(orderLine('delete', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['ended'])
    assert.match(host.log(), /lifted: 203\.0\.113\.7 is let go of/)
  })

  test('survives a restart of the agent, which says delete for everything', async (t) => {
    const { host, service, states } = await world(t)
    await host.add(orderLine('add', attacker))
    await host.delivered()
    service.clock.now += 300_000
    await host.give(orderLine('delete', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['issued'])
    assert.match(host.log(), /kept: 203\.0\.113\.7 stays blocked until/)
    const held = await service.flow.store.read.selectFrom('claims').select('target').execute()
    assert.deepEqual(
      held.map(({ target }) => target),
      [attacker],
      'every node that asks gets it',
    )
  })

  test('is prolonged when execd counts anew, and the delete at the end of that is on time', async (t) => {
    const { host, service, states } = await world(t)
    await host.add(orderLine('add', attacker))
    await host.delivered()
    service.clock.now += 400_000
    await host.add(orderLine('add', attacker), '{"version":1,"command":"abort","parameters":{}}')
    await host.delivered()
    assert.match(host.log(), /prolonged: /)
    service.clock.now += 630_000
    await host.give(orderLine('delete', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['ended'])
  })

  test('makes one decision, however often it is said', async (t) => {
    const { host, states } = await world(t)
    for (let again = 0; again < 3; again++) await host.add(orderLine('add', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['issued'])
    assert.match(host.log(), /standing: 203\.0\.113\.7 is blocked already/)
  })

  test('does not undo what a person lifted while execd still counts', async (t) => {
    const { host, service, states } = await world(t)
    await host.add(orderLine('add', attacker))
    await host.delivered()
    const [decision] = (await service.ask('GET', '/v1/decisions')).body.decisions
    await service.ask('POST', `/v1/decisions/${decision?.id}/lift`, {
      body: { reason: 'our scanner' },
    })
    await host.add(orderLine('add', attacker), '{"version":1,"command":"abort","parameters":{}}')
    await host.delivered()
    assert.deepEqual(await states(), ['ended'])
    assert.match(host.log(), /nothing: 203\.0\.113\.7 is left alone/)
  })

  test('lets go of nothing that a person blocked, or took over', async (t) => {
    const { host, service, states } = await world(t)
    const body = { target: attacker, for: '4h', reason: 'seen in three incidents' }
    await service.ask('POST', '/v1/decisions', { body })
    service.clock.now += 630_000
    await host.give(orderLine('delete', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['issued'])
    assert.match(host.log(), /nothing: 203\.0\.113\.7: no block by this active response/)
  })

  test('holds as long as a repeat offender may be blocked, and ends with any of the times', async (t) => {
    const { host, service, states, lasts } = await world(t)
    const offenders =
      '<ossec_config><active-response><repeated_offenders>30, 60</repeated_offenders></active-response></ossec_config>\n'
    writeFileSync(join(host.home, 'etc/ossec.conf'), offenders)
    await host.add(orderLine('add', attacker))
    await host.delivered()
    const [decision] = (await service.ask('GET', '/v1/decisions')).body.decisions
    lasts(decision, 3_660_000)
    service.clock.now += 1_200_000
    await host.give(orderLine('delete', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['issued'], 'twenty minutes is none of them')
    service.clock.now += 630_000
    await host.give(orderLine('delete', attacker))
    await host.delivered()
    assert.deepEqual(await states(), ['ended'], 'thirty is')
  })

  test('of 5.x says itself how long', async (t) => {
    const { host, service, lasts } = await world(t, '')
    const response = { name: 'cordon-block', type: 'stateful', stateful_timeout: 900 }
    const message = { wazuh: { active_response: response }, source: { ip: attacker } }
    await host.add(JSON.stringify({ ...message, command: 'enable' }))
    await host.delivered()
    const [decision] = (await service.ask('GET', '/v1/decisions')).body.decisions
    lasts(decision, 960_000)
    service.clock.now += 930_000
    await host.give(JSON.stringify({ ...message, command: 'disable' }))
    await host.logged('lifted: ')
  })
})

describe('what must not be blocked', () => {
  const refused: [string, string, RegExp][] = [
    [
      'what the policy protects',
      '10.1.2.3',
      /refused: 10\.1\.2\.3 overlaps 10\.0\.0\.0\/8, which is protected/,
    ],
    [
      'what is the service’s own',
      '198.51.100.200',
      /refused: 198\.51\.100\.200 overlaps .* machine of this service/,
    ],
    [
      'what white_list of ossec.conf names',
      '192.0.2.77',
      /refused: 192\.0\.2\.77 overlaps 192\.0\.2\.0\/24 of the white list/,
    ],
    [
      'what white_list of ossec.conf names with a mask',
      '203.0.113.250',
      /refused: 203\.0\.113\.250 overlaps 203\.0\.113\.192\/26 of the white list/,
    ],
    [
      'what white_list of cordon.conf names',
      '2001:db8::5',
      /refused: 2001:db8::5 overlaps 2001:db8::5 of the white list/,
    ],
  ]
  for (const [what, address, said] of refused)
    test(what, async (t) => {
      const { host, states } = await world(t)
      const list =
        '<global>\n  <white_list>^localhost.localdomain$</white_list>\n  <white_list>192.0.2.0/24</white_list>\n  <white_list>203.0.113.192/255.255.255.192</white_list>\n</global>\n'
      writeFileSync(join(host.home, 'etc/ossec.conf'), list)
      host.configure({ white_list: '198.51.100.1, 2001:db8::5' })
      assert.equal((await host.add(orderLine('add', address))).code, 0)
      await host.delivered()
      assert.deepEqual(await states(), [])
      assert.match(host.log(), said)
    })

  test('an alert about our own block', async (t) => {
    const { host, states } = await world(t)
    const rule = { id: '651', level: 3, groups: ['ossec', 'active_response'] }
    await host.add(orderLine('add', attacker, { rule }))
    await host.delivered()
    assert.deepEqual(await states(), [])
    assert.match(host.log(), /refused: the alert \(rule 651\) names no attacker/)
  })
})

describe('when the service is not there', () => {
  test('nobody waits for it, and what was said is done in order once it is back', async (t) => {
    const silent = await hanging(t)
    const { host, states, url } = await world(t)
    host.configure({ url: silent.url })
    await host.add(orderLine('add', attacker))
    await silent.asked
    await host.give(orderLine('delete', attacker))
    await host.add(orderLine('add', '203.0.113.8'))
    assert.equal(host.waiting().length, 3, 'all ended while the service hung')
    assert.deepEqual(await states(), [])
    silent.close()
    host.configure({ url })
    await restart(host)
    assert.deepEqual(
      await states(),
      ['issued', 'issued'],
      'the early delete is no reason to let go',
    )
    assert.match(
      host.log(),
      /blocked: 203\.0\.113\.7[\s\S]*kept: 203\.0\.113\.7[\s\S]*blocked: 203\.0\.113\.8/,
    )
  })

  test('a block whose time went by in the spool is not begun, and its delete finds nothing', async (t) => {
    const { host, states } = await world(t)
    const [spool, long] = [join(host.home, 'queue', block), Math.floor(Date.now() / 1_000) - 1_000]
    await host.give(orderLine('delete', '203.0.113.99'))
    await host.delivered()
    writeFileSync(join(spool, `${long}-000000000001-1.continue.order`), orderLine('add', attacker))
    writeFileSync(
      join(spool, `${long + 601}-000000000002-1.none.order`),
      orderLine('delete', attacker),
    )
    await restart(host)
    assert.deepEqual(await states(), [])
    assert.match(host.log(), /nothing: 203\.0\.113\.7: the order is so old/)
  })

  test('a refused token keeps everything where it is, and says so once', async (t) => {
    const { host, service, states } = await world(t)
    writeFileSync(join(host.home, 'token'), 'cordon_wrong\n')
    await host.add(orderLine('add', attacker))
    await host.logged('unreached: ')
    assert.match(host.log(), /\(401\).*unauthenticated/)
    assert.equal(host.waiting().length, 1)
    writeFileSync(join(host.home, 'token'), await service.token(['respond']))
    await host.delivered()
    assert.equal(host.log().match(/unreached: /g)?.length, 1)
    assert.deepEqual(await states(), ['issued'])
  })

  test('it is tried for as long as Cordon is away, said again by the hour, and needs no next order', async (t) => {
    const { host, states, url } = await world(t)
    host.adjust('cordon-deliver', { hour: 2, most: 1, slow: 1 })
    host.configure({ url: 'http://127.0.0.1:9' })
    await host.add(orderLine('add', attacker))
    await host.loggedTimes('unreached: 1 wait', 3)
    host.configure({ url })
    await host.delivered()
    assert.deepEqual(await states(), ['issued'])
  })

  test('an order whose time is over while Cordon is away makes room for those that count', async (t) => {
    const { host, states, url } = await world(t)
    const spool = join(host.home, 'queue', block)
    mkdirSync(spool)
    const order = (agedS: number, address: string) => {
      const then = Math.floor(Date.now() / 1_000) - agedS
      const path = join(spool, `${then}-000000000001-1.continue.order`)
      writeFileSync(path, orderLine('add', address))
      utimesSync(path, then, then)
      return path
    }
    const [old, young] = [order(800, '203.0.113.20'), order(300, '203.0.113.21')]
    host.configure({ url: 'http://127.0.0.1:9' })
    await host.add(orderLine('add', attacker))
    await host.logged('nothing: 1 orders waited for Cordon until their time was over')
    assert.deepEqual([existsSync(old), existsSync(young)], [false, true])
    host.configure({ url })
    await host.delivered()
    assert.deepEqual(await states(), ['issued', 'issued'])
  })

  test('without settings and with nothing that waits it ends, and says nothing', async (t) => {
    const { host } = await world(t)
    const spool = join(host.home, 'queue', block)
    mkdirSync(spool)
    const log = join(host.home, 'logs/active-responses.log')
    const deliver = host.start('active-response/bin/cordon-deliver', [
      ...['orders', spool, log],
      ...[block, join(host.home, 'none')],
    ])
    const tooLong = setTimeout(() => deliver.kill('SIGKILL'), 5_000)
    const ran = await ended(deliver)
    clearTimeout(tooLong)
    assert.deepEqual(ran, { code: 0, signal: null, said: '' })
    assert.equal(host.log(), '')
  })

  test('what waited when the machine went down goes out when Wazuh starts, orders and alerts', async (t) => {
    const { host, service, states } = await world(t)
    const now = Math.floor(Date.now() / 1_000)
    const [orders, alerts] = [
      join(host.home, 'queue', block),
      join(host.home, 'logs/custom-cordon'),
    ]
    for (const spool of [orders, alerts, join(host.home, 'queue/rids')]) mkdirSync(spool)
    const name = `${now}-000000000001-1.continue.order`
    writeFileSync(join(orders, name), orderLine('add', attacker))
    writeFileSync(join(alerts, name), JSON.stringify({ ...alert, data: { srcip: '203.0.113.8' } }))
    const ran = await ended(host.start('active-response/bin/cordon-deliver', ['start']))
    assert.deepEqual(ran, { code: 0, signal: null, said: '' })
    await host.delivered()
    await host.delivered('custom-cordon')
    assert.deepEqual(await states(), ['issued', 'issued'])
    assert.equal((await service.ask('GET', '/v1/alerts')).body.alerts.length, 1)
    assert.deepEqual(readdirSync(join(host.home, 'queue/rids')), [])
  })

  test('a full disk makes no order one that Cordon cannot read', async (t) => {
    const { host, states } = await world(t)
    const spool = join(host.home, 'queue', block)
    mkdirSync(spool)
    const name = `${Math.floor(Date.now() / 1_000)}-000000000001-1.continue.order`
    writeFileSync(join(spool, name), orderLine('add', attacker, { full_log: 'x'.repeat(2_000) }))
    const log = join(host.home, 'logs/active-responses.log')
    const deliver = [join(host.home, 'active-response/bin/cordon-deliver'), 'orders', spool, log]
    const more = [block, join(host.home, 'conf')]
    const full = host.start('/bin/sh', [
      ...['-c', 'trap "" XFSZ; ulimit -f 2; exec "$@"', 'sh'],
      ...[...deliver, ...more],
    ])
    await host.logged('unreached: 1 wait')
    full.kill()
    await ended(full)
    assert.match(host.log(), /\(disk\)/)
    assert.deepEqual(host.waiting(), [name])
    await restart(host)
    assert.deepEqual(await states(), ['issued'])
  })

  test('what can never be taken is put aside and harms no other', async (t) => {
    const { host, states, url } = await world(t)
    host.configure({ url: 'http://127.0.0.1:9' })
    await host.add(orderLine('add', attacker).replace('"level":10', '"level":ten'))
    await host.add(orderLine('add', '203.0.113.8'))
    host.configure({ url })
    await host.delivered()
    assert.deepEqual(await states(), ['issued'])
    assert.equal(readdirSync(join(host.home, 'queue', block, 'refused')).length, 1)
    assert.match(host.log(), /refused: .*malformed_json/)
  })

  test('what power took before it had its name is taken up, if it is whole', async (t) => {
    const { host, states } = await world(t)
    await host.give(orderLine('delete', '203.0.113.99'))
    await host.delivered()
    const part = (index: number) =>
      join(
        host.home,
        'queue',
        block,
        `${Math.floor(Date.now() / 1_000)}-00000000000${index}-4194305.continue.part`,
      )
    writeFileSync(part(1), `${orderLine('add', attacker)}\n`)
    writeFileSync(part(2), orderLine('add', '203.0.113.8').slice(0, 100))
    await restart(host)
    assert.deepEqual(await states(), ['issued'])
    assert.deepEqual(host.waiting(), [])
  })
})

describe('the integration', () => {
  test('hands the alert of integratord to Cordon, whose policy judges it', async (t) => {
    const { host, service, states } = await world(t)
    assert.equal((await integrate(t, host, JSON.stringify(alert))).code, 0)
    await host.delivered('custom-cordon')
    assert.deepEqual(await states(), ['issued'])
    const { body } = await service.ask('GET', '/v1/alerts')
    assert.equal(body.alerts.length, 1)
  })

  test('says with Wazuh’s own numbers what is wrong with its arguments', async (t) => {
    const { host } = await world(t)
    assert.equal((await ended(host.start('integrations/custom-cordon'))).code, 2)
    assert.equal(
      (await ended(host.start('integrations/custom-cordon', ['/nowhere.alert']))).code,
      6,
    )
    assert.equal((await integrate(t, host, "rule.id='5712'")).code, 7)
    assert.match(host.log('integrations'), /Bad arguments[\s\S]*does not exist[\s\S]*alert_format/)
  })

  test('loses no alert while the service is away, and repeats none', async (t) => {
    const { host, service, url } = await world(t)
    host.configure({ url: 'http://127.0.0.1:9' })
    for (const id of ['1772334000.1', '1772334000.2', '1772334000.2'])
      assert.equal((await integrate(t, host, JSON.stringify({ ...alert, id }))).code, 0)
    await host.logged('unreached: ', 'integrations')
    host.configure({ url })
    await host.delivered('custom-cordon')
    assert.equal((await service.ask('GET', '/v1/alerts')).body.alerts.length, 2)
  })

  test('shows the token to nobody: not in a list of processes, not in a log', async (t) => {
    const { host } = await world(t)
    const silent = await hanging(t)
    host.configure({ url: silent.url })
    await integrate(t, host, JSON.stringify(alert), ['cordon_secret'])
    await silent.asked
    const commands = readdirSync('/proc').flatMap((pid) => commandOf(pid))
    const token = readFileSync(join(host.home, 'token'), 'utf8').trim()
    assert.ok(commands.some((command) => command.includes(silent.url)))
    assert.ok(!commands.some((command) => command.includes(token)))
    assert.ok(!host.log('integrations').includes('cordon_secret'))
    silent.close()
  })
})

async function world(t: TestContext, arConf = tenMinutes) {
  const service = await openTestService()
  const server = await listen(service)
  const url = `http://127.0.0.1:${server.port}`
  const host = openHost(url, await service.token(['ingest', 'respond']), arConf)
  t.after(async () => {
    host.close()
    await server.close()
    await service.close()
  })
  const states = async () =>
    (await service.ask('GET', '/v1/decisions')).body.decisions.map(({ state }) => state)
  const began = performance.now()
  /** So long, less what its order waited, which is counted in whole seconds. */
  const lasts = (decision: { not_after?: string | null } | undefined, ms: number) => {
    const left = Date.parse(decision?.not_after ?? '') - service.clock.now
    const waited = performance.now() - began + 1_000
    assert.ok(left > ms - waited && left <= ms, `${left} ms`)
  }
  return { host, service, url, states, lasts }
}

/** The next call, whatever it is about, brings what waits. */
async function restart(host: Host): Promise<void> {
  await host.give(orderLine('delete', '203.0.113.99'))
  await host.delivered()
}

async function integrate(t: TestContext, host: Host, text: string, more: string[] = ['']) {
  const folder = mkdtempSync(join(tmpdir(), 'custom-cordon-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'custom-cordon-1652272160--1208531112.alert')
  writeFileSync(file, `${text}\n`)
  const args = [file, more[0] ?? '', '', '', '', '10', '3', '> /dev/null 2>&1']
  return ended(host.start('integrations/custom-cordon', args))
}

/** Takes requests and never answers. */
async function hanging(
  t: TestContext,
): Promise<{ url: string; asked: Promise<void>; close(): void }> {
  let tell = () => {}
  const asked = new Promise<void>((done) => {
    tell = done
  })
  const server: Server = createServer(() => tell())
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  t.after(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, close }
}

function commandOf(pid: string): string[] {
  const path = `/proc/${pid}/cmdline`
  if (!/^\d+$/.test(pid) || !existsSync(path)) return []
  try {
    return [readFileSync(path, 'latin1')]
  } catch {
    // It ended meanwhile.
    return []
  }
}
