/** Which back end a node ends up with, and what it says when there is none. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Problem } from '#contract/problem.ts'
import { chooseFirewall } from '../../agent/kernel/choose.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { type Nft, nftProgram } from '../../agent/kernel/nft.ts'
import { ownNamespace } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { isProblem, left, put, within } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const noNft = nftProgram('/nonexistent/nft')
/** It takes no table with the flags that are needed. */
const tooOld: Nft = {
  ...nftProgram(),
  run: () => Promise.reject(new Problem('kernel_refused', 'nft refused the transaction: syntax')),
}
/** The lock of xtables is root's. */
const legacy = () => kernel.skipLarge || legacyTools('').skip
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

  test('without any it is said which package is missing', async () => {
    const ipset = ipsetProgram('/nonexistent/ipset')
    const choice = { enforce: true, ...quiet, nft: noNft, ipset }
    await assert.rejects(chooseFirewall(choice), isProblem('firewall_missing', /package nftables/))
  })

  test('what is asked for by name is not replaced by another', async () => {
    for (const backend of ['netlink', 'nft'] as const)
      await assert.rejects(
        chooseFirewall({ enforce: true, ...quiet, backend, nft: noNft }),
        isProblem('firewall_missing', /package nftables/),
      )
    const ipset = ipsetProgram('/nonexistent/ipset')
    await assert.rejects(
      chooseFirewall({ enforce: true, ...quiet, backend: 'ipset', ipset }),
      isProblem('firewall_missing', /package ipset/),
    )
  })

  describe('on a legacy host', { skip: legacy() }, () => {
    for (const [what, nft] of [
      ['missing', noNft],
      ['too old', tooOld],
    ] as const)
      test(`where nft is ${what} ipset takes over, says why, and leaves nothing behind`, async () => {
        const firewall = await chooseFirewall({ enforce: true, ...quiet, nft })
        assert.equal(firewall.name, 'ipset')
        assert.match(firewall.fallback ?? '', /^nft cannot be used: (the nft program|nft refused)/)
        assert.deepEqual([firewall.expresses.scopes, firewall.expresses.reject], [true, true])
        await firewall.close()
        assert.equal((await run('ipset', ['list', '-n'])).stdout, '')
        assert.equal((await run('nft', ['list', 'ruleset'])).stdout, '')
      })

    test('ipset is taken when it is asked for, although nft would do', async () => {
      const firewall = await chooseFirewall({ enforce: true, ...quiet, backend: 'ipset' })
      assert.deepEqual([firewall.name, firewall.fallback], ['ipset', undefined])
    })

    test('what another back end blocked goes once the new one holds what is wished', async () => {
      const listed = async () => [
        (await run('nft', ['list', 'tables'])).stdout,
        (await run('ipset', ['list', '-n'])).stdout,
      ]
      const block = put('in_hosts4', '203.0.113.7')
      const old = await chooseFirewall({ enforce: true, ...quiet, nft: noNft })
      await old.prepare()
      await old.apply([block])
      const next = await chooseFirewall({ enforce: true, ...quiet })
      assert.equal(await next.prepare(), true)
      assert.match((await listed()).join(), /inet cordon.*cordon_in4/s)
      await next.apply([block])
      assert.deepEqual(await listed(), ['table inet cordon\n', ''])
      const again = await chooseFirewall({ enforce: true, ...quiet, backend: 'ipset' })
      await again.prepare()
      await again.replace([block])
      assert.equal((await listed())[0]?.includes('inet cordon'), false)
      within(await left(again, 'in_hosts4', '203.0.113.7'), 50_000, 60_000)
      await again.clear()
      assert.deepEqual(await listed(), ['', ''])
      await next.close()
    })
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
