/** What is never blocked must fit the firewall's never-set: otherwise the kernel would refuse everything. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { refusal } from '../../agent/guard.ts'
import { mostIntervals } from '../../agent/kernel/sets.ts'
import { Lookout } from '../../agent/lookout.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { block } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-protect-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'protect')
const none = { routes4: '/none', routes6: '/none', resolvers: [], sessions: '/none', utmp: '/none' }

test('a protect file of more than the kernel holds is told with a remedy, and the last good list stays', () => {
  const lookout = look(['203.0.113.7', '2001:db8::/48'])
  lookout.look()
  const good = lookout.here
  writeFileSync(path, hosts(mostIntervals).join('\n'))
  assert.throws(() => lookout.look(), {
    code: 'setting_invalid',
    message: /16385 IPv4 hosts and networks .* holds 16384/,
    remedy: /networks instead of single hosts/,
  })
  assert.equal(lookout.here, good)
  writeFileSync(path, '203.0.113.7\n')
  assert.equal(lookout.look(), '-2001:db8::/48')
})

test('as many as the kernel holds are taken, and hosts in a network that stands before them cost nothing', () => {
  const fitting = look(hosts(mostIntervals - 1))
  fitting.look()
  assert.equal(fitting.here.filter(({ address }) => address.family === 4).length, mostIntervals)
  const covered = look(['198.18.0.0/15', ...hosts(mostIntervals)])
  covered.look()
  assert.deepEqual(
    covered.here.map(({ address }) => address.text),
    ['127.0.0.0/8', '::1', 'fe80::/10', '198.18.0.0/15'],
  )
})

test('a host among many that are protected is refused with the most important reason', () => {
  const lookout = look([...hosts(5_000), '203.0.113.0/24'], ['203.0.113.7'])
  lookout.look()
  const why = (text: string) =>
    refusal(
      block(1, { target: text }),
      readAddress(text),
      lookout.here,
      settings(),
      { claims: 0, rare: 0 },
      { scopes: true, reject: true },
    )?.message
  assert.match(why('203.0.113.7') ?? '', /address of this node/)
  assert.match(why('203.0.113.8') ?? '', /203\.0\.113\.0\/24: protect file/)
  assert.match(why('198.18.19.135') ?? '', /198\.18\.19\.135: protect file/)
  assert.match(why('198.18.19.128/25') ?? '', /protect file/)
  assert.equal(why('198.18.19.136'), undefined)
})

function settings() {
  return readAgentSettings({ CORDON_AGENT_PROTECT_FILE: path })
}

function look(lines: readonly string[], own: string[] = []): Lookout {
  writeFileSync(path, `${lines.join('\n')}\n`)
  const interfaces = () => own
  return new Lookout({ settings: settings(), places: none, service: () => [], interfaces })
}

function hosts(count: number): string[] {
  return Array.from(
    { length: count },
    (_, n) => `198.${18 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
  )
}
