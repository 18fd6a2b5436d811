/** What "agent clear" leaves behind: the host's own firewall to the byte, and nothing of Cordon. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { makeIdentity } from '../../agent/identity.ts'
import { chooseFirewall } from '../../agent/kernel/choose.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { ipsetSensorTable } from '../../agent/kernel/sensor-ipset.ts'
import { lockFolder } from '../../agent/lock.ts'
import { commands } from '../../agent/main.ts'
import { ownNamespace } from '../namespace.ts'
import { programsBut } from '../programs-but.ts'
import { put } from './promises.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'cordon-clear-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const foreign = `
add table inet shop { comment "not ours"; }
add set inet shop cordon_like { type ipv4_addr; flags timeout; elements = { 203.0.113.9 }; }
add chain inet shop input { type filter hook input priority 0; policy accept; }
add rule inet shop input ip saddr @cordon_like counter drop
add table ip cordon
add chain ip cordon input
add rule ip cordon input tcp dport 22 accept
`

describe('clearing', { skip: kernel.skipLarge }, () => {
  let whole = ''
  before(async () => {
    await run('sh', ['-c', `nft -f - <<'E'\n${foreign}E`])
    await run('iptables', ['-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT'])
    // Hooks that iptables-nft makes for a rule stay when the rule goes: it is no trace that they are there.
    for (const hook of ['FORWARD', 'PREROUTING', 'POSTROUTING'])
      await run('ip6tables', ['-t', 'mangle', '-A', hook, '-j', 'MARK', '--set-mark', '7'])
    await run('ipset', ['create', 'theirs', 'hash:net'])
    whole = await everything()
  })
  afterEach(() => call(['--yes']))

  for (const backend of ['netlink', 'nft', 'ipset'] as const)
    test(`after ${backend} was used everything is as it was before, to the byte`, async () => {
      await block(backend)
      assert.notEqual(await everything(), whole)
      const { code, out } = await call([])
      assert.equal(code, 0)
      assert.match(out, /^taken out: /)
      assert.equal(await everything(), whole)
      assert.deepEqual(await call([]), {
        code: 0,
        out: 'there is nothing of Cordon here\n',
        err: '',
      })
      assert.equal(await everything(), whole)
    })

  test('on a host without the program nft no empty table stays either, nor a chain of the kernel in those of others', async () => {
    const path = process.env.PATH
    const programs = programsBut('nft')
    try {
      process.env.PATH = programs
      await block('ipset')
      assert.equal((await call([])).code, 0)
    } finally {
      process.env.PATH = path
      rmSync(programs, { recursive: true })
    }
    assert.equal(await everything(), whole)
  })

  test('takes out the sets and chains of the sensor, with or without those of blocks', async () => {
    const sensor = ipsetSensorTable(ipsetProgram(), iptablesProgram())
    const script = { windowMs: 60_000, interfaces: [], udp: true, trusted: [] }
    for (const blocks of [false, true]) {
      if (blocks) await block('ipset')
      await sensor.make(script)
      const { code, out } = await call([])
      assert.equal(code, 0)
      assert.match(out, /^taken out: iptables mangle CORDON-SENSOR.*ipset cordon-sensor6-missed$/m)
      assert.equal(await everything(), whole)
    }
  })

  test('takes out the tables of standing rules and of the sensor, and what a self-test left', async () => {
    const names = [
      'cordon_posture',
      'cordon_sensor',
      'cordon_selftest_4711',
      'cordon_stand_in',
      'cordon',
    ]
    for (const name of names) await run('nft', ['add', 'table', 'inet', name])
    const { out } = await call([])
    for (const name of names) assert.match(out, new RegExp(`^taken out: table inet ${name}$`, 'm'))
    assert.equal(await everything(), whole)
  })

  test('tried without doing it says what would go, and touches nothing', async () => {
    await block('netlink')
    const before = await everything()
    const { code, out } = await call(['--dry-run', '--forget'])
    assert.deepEqual([code, out], [0, 'would take out: table inet cordon\n'])
    assert.equal(await everything(), before)
  })

  test('is refused while an agent of this state folder runs, which would put it back', async () => {
    await block('netlink')
    const before = await everything()
    const unlock = lockFolder(folder)
    const { code, err } = await call([])
    unlock()
    assert.equal(code, 1)
    assert.match(err, /^error: another agent \(process \d+\) works with .*\nhint: stop it first/)
    assert.equal(await everything(), before)
  })
})

test('forgetting asks first, removes what the agent keeps, and leaves what is not its own', async () => {
  makeIdentity(folder)
  writeFileSync(join(folder, 'memory.jsonl'), '')
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  const declined = await call(['--forget'], 'n\n')
  assert.equal(declined.code, 3)
  assert.match(declined.err, /The node must be enrolled anew then\. \[y\/N\] .*hint: .*--yes/s)
  assert.equal(existsSync(join(folder, 'node.key')), true)
  const { code } = await call(['--forget'], 'y\n')
  assert.equal(code, 0)
  assert.deepEqual(readdirSync(folder), ['notes.txt'])
})

test('where there never was an agent nothing is made', async () => {
  const never = join(folder, 'never')
  await call([], '', never)
  assert.equal(existsSync(never), false)
})

async function block(backend: 'netlink' | 'nft' | 'ipset'): Promise<void> {
  const print = () => {}
  const firewall = await chooseFirewall({ enforce: true, backend, print, now: Date.now })
  await firewall.prepare()
  await firewall.apply([put('in_hosts4', '203.0.113.7'), put('in_nets6_64', '2001:db8:a::/64')])
  await firewall.close()
}

async function everything(): Promise<string> {
  const listings = await Promise.all([
    run('nft', ['list', 'ruleset']),
    run('iptables-save', []),
    run('ip6tables-save', []),
    run('ipset', ['list']),
  ])
  // The comments hold the time, and elements that of their end.
  return listings.map(({ stdout }) => stdout.replaceAll(/^# .*$| expires \w+/gm, '')).join('\n')
}

async function call(args: string[], said = '', state = folder) {
  let [out, err] = ['', '']
  const code = await commands.clear(args, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    environment: { CORDON_AGENT_STATE_DIR: state },
    screen: { err: true },
    stdin: async function* () {
      yield Buffer.from(said)
    },
  })
  return { code, out, err }
}
