/** Which back end a node ends up with, and what it says when there is none. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Problem } from '#contract/problem.ts'
import { chooseFirewall } from '../../agent/kernel/choose.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { nftProgram } from '../../agent/kernel/nft.ts'
import { ownNamespace } from '../namespace.ts'
import { isProblem } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const quiet = { print: () => {}, now: () => 0 }

describe('choosing a back end', { skip: kernel.skip }, () => {
  test('netlink is taken where it passes its self-test', async () => {
    const firewall = await chooseFirewall({ enforce: true, ...quiet })
    assert.deepEqual(
      [firewall.name, firewall.enforcing, firewall.fallback],
      ['netlink', true, undefined],
    )
    await firewall.close()
  })

  test('where netlink cannot be opened nft takes over and says why', async () => {
    const netlink = () => Promise.reject(new Error('no build of koffi for this machine'))
    const firewall = await chooseFirewall({ enforce: true, ...quiet, netlink })
    assert.equal(firewall.name, 'nft')
    assert.match(firewall.fallback ?? '', /netlink cannot be used: .*no build of koffi/)
    await firewall.prepare()
    await firewall.clear()
  })

  test('where netlink does not do what was asked nft takes over and says what surprised', async () => {
    const lying = { ...netlinkCarrier(), remaining: () => Promise.resolve(undefined) }
    const firewall = await chooseFirewall({
      enforce: true,
      ...quiet,
      netlink: () => Promise.resolve(lying),
    })
    assert.equal(firewall.name, 'nft')
    assert.match(firewall.fallback ?? '', /an element of in_hosts4 did not take its new time/)
  })

  test('the self-test leaves nothing behind', async () => {
    await (await chooseFirewall({ enforce: true, ...quiet })).close()
    assert.equal((await run('nft', ['list', 'ruleset'])).stdout, '')
  })

  test('without nft it is said which package is missing', async () => {
    const choice = { enforce: true, ...quiet, nft: nftProgram('/nonexistent/nft') }
    await assert.rejects(chooseFirewall(choice), isProblem('firewall_missing', /package nftables/))
  })

  test('without the privilege it is said what grants it', async () => {
    const script = `
      import { chooseFirewall } from ${JSON.stringify(fileURLToPath(new URL('../../agent/kernel/choose.ts', import.meta.url)))}
      try {
        await chooseFirewall({ enforce: true, print() {}, now: Date.now })
      } catch (error) {
        process.stdout.write(JSON.stringify(error))
      }`
    const words = ['--bounding-set=-all', '--inh-caps=-all', process.execPath]
    const { stdout } = await run('setpriv', [...words, '--input-type=module', '-e', script])
    const told: unknown = JSON.parse(stdout)
    assert.ok(typeof told === 'object' && told !== null && 'code' in told && 'remedy' in told)
    assert.equal(told.code, 'no_privilege')
    assert.match(String(told.remedy), /CAP_NET_ADMIN/)
  })
})

test('without enforcement nothing is touched, whatever back end is named', async () => {
  const firewall = await chooseFirewall({
    enforce: false,
    backend: 'netlink',
    ...quiet,
    netlink: () => Promise.reject(new Problem('internal', 'must not be asked')),
  })
  assert.deepEqual([firewall.name, firewall.enforcing], ['dry-run', false])
})
