/** Standing rules on trial in a real kernel: it goes back by itself in time, though nobody lives who would tell it. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as breath } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readAddress } from '#contract/address.ts'
import type { PostureRule, ServiceRule } from '#contract/posture.ts'
import { posture, postureNode } from '../agent/posture-node.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { type BackEnd, scriptOf, type Trial, tableOf } from './trial-process.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'cordon-trial-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Over these the tests check the path itself. */
const open = ['198.51.100.0/24', '2001:db8:ffff::/64']
const seven = ['203.0.113.7', '2001:db8:a:1::7']
const eight = ['203.0.113.8', '2001:db8:a:2::7']

const closed = (networks: readonly string[], more: Partial<ServiceRule> = {}): PostureRule => ({
  ...{ rule: 'service', name: 'closed', way: 'both', verdict: 'drop' },
  from: { networks: [...networks], countries: [] },
  ...more,
})

let attacker: Host
let victim: Host
let node: Party
let marks = 0
before(async () => {
  if (kernel.skip) return
  attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
  victim = await host('victim', ['192.0.2.0/24', '2001:db8:b::/48'])
  node = await thisNode()
})
after(async () => {
  for (const party of [attacker, victim, node]) await party?.close()
})

for (const backEnd of ['nft', 'ipset-legacy', 'ipset-nft'] as const)
  describe(`rules on trial in ${backEnd}`, { skip: skipOf(backEnd) }, () => {
    const table = tableOf(backEnd)
    afterEach(async () => {
      await table.remove()
      await run('nft', ['flush', 'ruleset'])
    })

    test('judge until their time is over, and then those of before, when the agent was killed', async () => {
      // An agent as it is, with its disk, in the one; in the others what writes to the kernel.
      const whole = backEnd === 'nft'
      const before = [closed(eight)]
      const own = whole ? { folder: join(folder, backEnd), seconds: 10 } : { seconds: 5 }
      await killedWhile({ backEnd, before, tried: [closed(seven)], here: open, ...own })
      const began = performance.now()
      assert.deepEqual(await passing(), { seven: none, eight: all })
      const connections = [
        await attacker.open('203.0.113.8', node.address4),
        await attacker.open('2001:db8:a:2::7', node.address6),
      ]
      await until(async () => comesIn('203.0.113.7'), own.seconds + 5)
      assert.ok(performance.now() - began > (own.seconds - 3) * 1_000, 'not before its time')
      await until(async () => comesIn('2001:db8:a:1::7'), 1)
      assert.deepEqual(await passing(), { seven: all, eight: none })
      for (const connection of connections) {
        const mark = `${backEnd} ${connection} ${++marks}`
        await attacker.say(connection, mark)
        assert.ok(await node.arrived(mark, 10_000), 'what began meanwhile goes on')
      }
    })

    test('leave nothing when there were none before; what is protected meanwhile is so on either side', async () => {
      const tried = [closed([...seven, ...eight])]
      await killedWhile({ backEnd, before: [], tried, here: open, seconds: 5 })
      assert.deepEqual(await passing(), { seven: none, eight: none })
      await table.protect([...open, ...seven].map(isProtected))
      assert.deepEqual(await passing(), { seven: all, eight: none })
      await until(async () => comesIn('203.0.113.8'), 10)
      await until(async () => comesIn('2001:db8:a:2::7'), 1)
      assert.deepEqual(await passing(), { seven: all, eight: all })
    })

    test('protect on both sides: who is let through in the trial is so after it', async () => {
      const sides = { before: [closed(eight)], tried: [closed(seven)] }
      await table.run(scriptOf({ ...sides, here: open }))
      assert.deepEqual(await passing(), { seven: all, eight: none }, 'before it was opened')
      await table.open(3)
      await table.protect([...open, ...eight].map(isProtected))
      assert.deepEqual(await passing(), { seven: none, eight: all })
      await until(async () => comesIn('203.0.113.7'), 8)
      await until(async () => comesIn('2001:db8:a:1::7'), 1)
      assert.equal(await table.intact(), true, 'that their time is over is nobody’s change')
      assert.deepEqual(await passing(), { seven: all, eight: all })
    })

    test('stand for good when they are confirmed, and have forgotten nothing of what they counted', async () => {
      const rate = { packets: 1, per: 'hour', burst: 3 } as const
      const limited: PostureRule = {
        ...{ rule: 'service', name: 'limited', way: 'node', verdict: 'accept', rate },
      }
      const tried = [closed(eight, { way: 'forwarded' }), limited]
      await table.run(scriptOf({ before: [closed(seven)], tried, here: open }))
      await table.open(3)
      const over = await witness(3)
      const said: boolean[] = []
      for (const _ of [1, 2, 3, 4]) said.push(await comesIn('203.0.113.7'))
      await table.confirm()
      said.push(await comesIn('203.0.113.7'))
      await until(over, 8)
      said.push(await comesIn('203.0.113.7'), await passes('203.0.113.8'))
      assert.deepEqual(said, [true, true, true, false, false, false, false])
      assert.deepEqual([await passes('203.0.113.7'), await comesIn('203.0.113.8')], [true, true])
      assert.equal(await table.intact(), true)
      assert.doesNotMatch(await everything(), /on_trial|before_|_WAS_/)
      assert.equal(await leftOf(tried), await everything(), 'as if there had been no trial')
    })

    test('that are put right in the middle have only what was left of their time', async () => {
      const node = postureNode({ folder: join(folder, `healed ${backEnd}`), table })
      node.here.push(...open.map(isProtected))
      await node.postures.begin()
      await node.give(1, posture([closed(eight)]))
      await node.postures.settled()
      node.service.answers = false
      await node.give(2, posture([closed(seven)]), { confirm: 600 })
      await until(async () => !(await comesIn('203.0.113.7')), 10)
      // Its own clock says that it began long ago; the kernel would wait for ten minutes.
      await node.time.pass(595_500)
      await harm(backEnd)
      assert.equal(await comesIn('203.0.113.7'), true)
      node.postures.heal()
      await until(async () => !(await comesIn('203.0.113.7')), 10)
      await node.postures.stop()
      await until(async () => comesIn('203.0.113.7'), 8)
      await until(async () => comesIn('2001:db8:a:1::7'), 1)
      assert.deepEqual(await passing(), { seven: all, eight: none })
    })

    test('that somebody changed meanwhile are not taken as they are', async () => {
      await table.run(scriptOf({ before: [], tried: [closed(seven)], here: open }))
      await table.open(60)
      await harm(backEnd)
      assert.equal(await table.intact(), false)
      await assert.rejects(table.confirm(), /somebody changed the standing rules/)
    })

    /** What is in the kernel when they are written alone. */
    async function leftOf(rules: readonly PostureRule[]): Promise<string> {
      const { before: _, ...alone } = scriptOf({ before: [], tried: rules, here: open })
      await table.run(alone)
      return everything()
    }
    async function everything(): Promise<string> {
      if (backEnd === 'nft') return (await run('nft', ['-t', '-s', 'list', 'ruleset'])).stdout
      const variant = backEnd === 'ipset-legacy' ? '-legacy' : '-nft'
      const listings = [
        await run(`iptables${variant}-save`),
        await run(`ip6tables${variant}-save`),
        await run('ipset', ['list', '-n']),
      ]
      // The comments hold the time, the chains of the kernel their counts; sets are named in turn.
      return listings
        .map(({ stdout }) => stdout.replaceAll(/^#.*\n| \[\d+:\d+\]/gm, ''))
        .join('')
        .replaceAll(/cordon_rules_./g, 'cordon_rules')
    }
  })

test('an agent that begins again after its kernel went back says so, and tries no second time', {
  skip: kernel.skip,
}, async () => {
  const own = join(folder, 'again')
  const sides = { before: [closed(eight)], tried: [closed(seven)] }
  await killedWhile({ backEnd: 'nft', ...sides, here: open, folder: own, seconds: 600 })
  assert.deepEqual(await passing(), { seven: none, eight: all })
  const second = postureNode({ folder: own, table: tableOf('nft') })
  second.here.push(...open.map(isProtected))
  await second.postures.begin()
  assert.deepEqual(await passing(), { seven: all, eight: none })
  assert.deepEqual(second.told(), [['all', 2, 'reverted', 1]])
  await second.give(2, posture(sides.tried), { confirm: 600 })
  await second.postures.settled()
  assert.deepEqual(await passing(), { seven: all, eight: none })
  await second.postures.stop()
  await tableOf('nft').remove()
})

const all = [true, true, true, true]
const none = [false, false, false, false]

/** Whether they come in and through, of either family. */
async function passing(): Promise<{ seven: boolean[]; eight: boolean[] }> {
  const of = async (froms: readonly string[]) => {
    const found: boolean[] = []
    for (const from of froms) found.push(await comesIn(from), await passes(from))
    return found
  }
  return { seven: await of(seven), eight: await of(eight) }
}

function comesIn(from: string): Promise<boolean> {
  return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
}

function passes(from: string): Promise<boolean> {
  return delivers(attacker, from, victim, from.includes(':') ? '2001:db8:b::1' : '192.0.2.1')
}

function isProtected(network: string) {
  return { address: readAddress(network), why: 'administration' }
}

/** Its own process, which has no time to tidy up. */
async function killedWhile(trial: Trial): Promise<void> {
  const file = fileURLToPath(new URL('./trial-process.ts', import.meta.url))
  const words = [...process.execArgv, file, JSON.stringify(trial)]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [said] = await Promise.race([once(child.stdout, 'data'), ended])
  assert.equal(String(said), 'on trial\n')
  child.kill('SIGKILL')
  assert.deepEqual(await ended, [null, 'SIGKILL'])
}

/** The kernel itself says when so many seconds are over. */
async function witness(seconds: number): Promise<() => Promise<boolean>> {
  await run('nft', ['add', 'table', 'inet', 'witness'])
  await run('nft', ['add', 'set', 'inet', 'witness', 'lapse', '{ type mark; flags timeout; }'])
  await run('nft', ['add', 'element', 'inet', 'witness', 'lapse', `{ 1 timeout ${seconds}s }`])
  const listed = async () => (await run('nft', ['list', 'set', 'inet', 'witness', 'lapse'])).stdout
  return async () => {
    if ((await listed()).includes('elements')) return false
    await run('nft', ['delete', 'table', 'inet', 'witness'])
    return true
  }
}

async function harm(backEnd: BackEnd): Promise<void> {
  if (backEnd === 'nft') await run('nft', ['flush', 'chain', 'inet', 'cordon_posture', 'node'])
  else await run(`iptables${backEnd.replace('ipset', '')}`, ['-F', 'CORDON_POSTURE_NODE'])
}

function skipOf(backEnd: BackEnd): string | false {
  if (backEnd === 'nft') return kernel.skip
  return kernel.skipLarge || legacyTools(backEnd === 'ipset-legacy' ? '-legacy' : '-nft').skip
}

async function until(so: () => Promise<boolean>, seconds: number): Promise<void> {
  for (const end = performance.now() + seconds * 1_000; performance.now() < end; ) {
    if (await so()) return
    await breath(20)
  }
  assert.fail('it never came to that')
}
