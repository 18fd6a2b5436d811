/** Ports that are translated on the node, as for containers: an order is about the port that was addressed, by every back end. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import type { Firewall, ScopedElement } from '../../agent/kernel/firewall.ts'
import { type Host, host, ownNamespace } from '../namespace.ts'
import { everyBackEnd } from './conforming.ts'
import { element } from './scoped.ts'

const kernel = await ownNamespace(import.meta.url)
/** The one that is addressed here, and the one where it is served. */
const [addressed, served] = [4000, 4400]

const places = [
  { family: 4, him: '203.0.113.7', node: '198.51.100.1', behind: '192.0.2.200' },
  { family: 6, him: '2001:db8:a::7', node: '2001:db8:ffff::1', behind: '2001:db8:b::1' },
] as const

for (const backEnd of everyBackEnd)
  describe(`ports that are translated, through ${backEnd.name}`, {
    skip: (backEnd.name.startsWith('ipset') ? kernel.skipLarge : kernel.skip) || backEnd.skip(),
  }, () => {
    let attacker: Host
    let firewall: Firewall
    const servers: ChildProcess[] = []

    before(async () => {
      attacker = await theAttacker()
      firewall = await backEnd.make()
      await firewall.prepare()
    })
    after(async () => {
      execFileSync('nft', ['flush', 'ruleset'])
      await firewall.clear()
      await firewall.close()
      for (const server of servers) server.kill()
    })

    for (const way of ['to the node', 'through it'] as const)
      test(`what is led on ${way} is stopped and let through by the port that was addressed`, async () => {
        for (const { family, him, node, behind } of places) {
          const goal = way === 'to the node' ? node : behind
          servers.push(await serve(goal, way === 'through it'))
          lead(family, node, goal)
          const are = (...elements: readonly ScopedElement[]) => firewall.setScoped(elements, 0)
          const connects = () =>
            attacker.open(him, node).then(
              () => 'open',
              (error: unknown) => String(error),
            )
          const port = (number: number) => ({ protocol: 'tcp' as const, port: number })
          assert.equal(await connects(), 'open', goal)
          await are(element('reject', 'in', him, port(addressed)))
          assert.match(await connects(), /ECONNREFUSED/, goal)
          await are(element('reject', 'in', him, port(served)))
          assert.equal(await connects(), 'open', goal)
          await are(element('reject', 'in', him), element('allow', 'in', him, port(addressed)))
          assert.equal(await connects(), 'open', goal)
          await are(element('reject', 'in', him), element('allow', 'in', him, port(served)))
          assert.match(await connects(), /ECONNREFUSED/, goal)
          await are()
        }
      })
  })

let hosts: Promise<Host> | undefined
function theAttacker(): Promise<Host> {
  hosts ??= (async () => {
    await host('inner', ['192.0.2.128/25', '2001:db8:b::/48'])
    return host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
  })()
  return hosts
}
after(async () => (await hosts)?.close())

/** Resolves when it listens. */
function serve(address: string, behind: boolean): Promise<ChildProcess> {
  const script = `require('node:net').createServer((one) => one.on('error', () => {}))
    .listen(${served}, '${address}', () => console.log('listens'))`
  const words = [process.execPath, '-e', script]
  const [program = '', ...rest] = behind ? ['ip', 'netns', 'exec', 'inner', ...words] : words
  const server = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    server.stdout.once('data', () => resolve(server))
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
}

function lead(family: 4 | 6, node: string, goal: string): void {
  const ip = family === 4 ? 'ip' : 'ip6'
  const to = family === 4 ? `${goal}:${served}` : `[${goal}]:${served}`
  const script = `table ${ip} led
    delete table ${ip} led
    table ${ip} led {
      chain in {
        type nat hook prerouting priority -100;
        ${ip} daddr ${node} tcp dport ${addressed} dnat to ${to}
      }
    }`
  execFileSync('nft', ['-f', '-'], { input: script })
}
