/** Standing rules on a node: tried before they are kept, enforced at the start, given up when the node leaves. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import type { PostureRule } from '#contract/posture.ts'
import { printedPostureTable } from '../../agent/kernel/posture-table.ts'
import { printPosture } from '../../agent/posture-script.ts'
import { portServedHere } from '../../agent/served-here.ts'
import { memoryTable, posture, postureNode } from './posture-node.ts'
import { makeKey, today } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-posture-'))
after(() => rmSync(root, { recursive: true }))
let count = 0

const ssh: PostureRule = {
  rule: 'service',
  name: 'ssh',
  way: 'node',
  protocol: 'tcp',
  ports: ['22'],
  verdict: 'drop',
}
const web: PostureRule = { ...ssh, name: 'web', ports: ['443'] }

describe('a new version', () => {
  let folder: string
  let held: ReturnType<typeof memoryTable>
  let node: ReturnType<typeof postureNode>
  beforeEach(async () => {
    folder = join(root, String(count++))
    held = memoryTable()
    node = postureNode({ folder, table: held.table })
    await node.postures.begin()
  })
  const again = async (audiences?: string[]) => {
    await node.postures.stop()
    held = memoryTable()
    node = postureNode({ folder, table: held.table, ...(audiences && { audiences }) })
    await node.postures.begin()
  }
  const enforced = () => /comment "(ssh|web)"/.exec(held.runs.at(-1) ?? '')?.[1]

  test('is kept once the service has answered under it, over a way of its own', async () => {
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 1, 'applied', 1]])
    assert.deepEqual(
      node.service.told.map(({ status, in_force }) => [status, in_force - today]),
      [['trying', 1]],
    )
    assert.equal(enforced(), 'ssh')
    assert.equal(node.state.problem, undefined)
  })

  test('goes when the service stays silent, comes no second time, and a newer one is tried', async () => {
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    node.service.answers = false
    await node.give(2, posture([web]), { confirm: 10 })
    await node.time.pass(9_000)
    assert.deepEqual(node.told(), [['all', 2, 'trying', 2]])
    await node.time.pass(2_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'reverted', 1]])
    assert.equal(enforced(), 'ssh')
    assert.match(node.state.problem?.message ?? '', /could not be reached within 10 s/)
    const runs = held.runs.length
    node.service.answers = true
    await node.give(2, posture([web]))
    await node.postures.settled()
    assert.equal(held.runs.length, runs, 'the same version is not tried again')
    await node.give(3, posture([web]))
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 3, 'applied', 3]])
    assert.equal(node.state.problem, undefined)
  })

  test('goes at the start when the agent died before the service answered', async () => {
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    node.service.answers = false
    await node.give(2, posture([web]))
    await node.time.pass(1_000)
    assert.equal(enforced(), 'web')
    await again()
    assert.equal(enforced(), 'ssh')
    assert.deepEqual(node.told(), [['all', 2, 'reverted', 1]])
    await again()
    assert.deepEqual(node.told(), [['all', 2, 'reverted', 1]], 'it is not forgotten')
  })

  test('that is the first one leaves nothing behind when it goes', async () => {
    node.service.answers = false
    await node.give(1, posture([ssh]), { confirm: 10 })
    await node.time.pass(12_000)
    await node.postures.settled()
    assert.equal(held.runs.at(-1), 'removed')
    assert.deepEqual(node.told(), [['all', 1, 'reverted', 0]])
  })

  test('waits for the one of another audience, so that it is known which one failed', async () => {
    node.service.answers = false
    await node.give(1, posture([ssh]), { confirm: 10 })
    await node.give(2, posture([web]), { aud: 'group/web', confirm: 10 })
    await node.time.pass(5_000)
    assert.deepEqual(node.told(), [['all', 1, 'trying', 1]])
    await node.time.pass(7_000)
    node.service.answers = true
    await node.time.pass(2_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [
      ['all', 1, 'reverted', 0],
      ['group/web', 2, 'applied', 2],
    ])
  })

  test('replaces one that is still being tried', async () => {
    node.service.answers = false
    await node.give(1, posture([ssh]))
    await node.time.pass(1_000)
    await node.give(2, posture([web]))
    node.service.answers = true
    await node.time.pass(2_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'applied', 2]])
    assert.equal(enforced(), 'web')
  })

  test('is not tried anew because the stream began anew meanwhile', async () => {
    node.service.answers = false
    await node.give(1, posture([ssh]), { confirm: 10 })
    for (let times = 0; times < 6; times++) {
      await node.time.pass(2_000)
      await node.give(1, posture([ssh]), { confirm: 10 })
    }
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 1, 'reverted', 0]])
  })

  test('older than the newest is refused, also after a restart', async () => {
    await node.give(5, posture([ssh]))
    await node.postures.settled()
    await again()
    await node.give(4, posture([web]))
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 5, 'applied', 5]])
    assert.equal(enforced(), 'ssh')
  })

  test('of another signer, another audience or another time changes nothing', async () => {
    await node.give(1, posture([ssh]), { key: makeKey() })
    assert.equal(node.state.problem?.code, 'envelope_key_unknown')
    await node.give(1, posture([ssh]), { aud: 'group/db' })
    assert.equal(node.state.problem?.code, 'envelope_audience')
    await node.give(1, posture([ssh]), { exp: today / 1_000 - 1 })
    assert.equal(node.state.problem?.code, 'envelope_expired')
    await node.give(8_000_000, posture([ssh]))
    assert.equal(node.state.problem?.code, 'envelope_malformed', 'a version far ahead')
    await node.postures.settled()
    assert.deepEqual([held.runs, node.told()], [[], []])
  })

  test('with a rule that this agent does not know is refused as a whole, and the one before stays', async () => {
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    const strange = { ...posture([web]).posture, rules: [{ rule: 'tarpit', name: 'slow' }] }
    const { postureStatement } = await import('./posture-node.ts')
    const { sign, serviceKey } = await import('./signer.ts')
    const jws = postureStatement(today + 2, null)
    const claims = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString())
    await node.postures.take(
      sign({ ...claims, posture: strange }, 'cordon-posture+jwt', serviceKey),
    )
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'refused', 1]])
    assert.equal(node.postures.receipts[0]?.code, 'unsupported')
  })

  test('that the kernel refuses is tried again, and what was there before stays', async () => {
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    held.state.refusing = true
    await node.give(2, posture([web]))
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'failed', 1]])
    held.state.refusing = false
    await node.time.pass(2_500)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'applied', 2]])
  })

  test('that the kernel refuses for long is tried no more often for having come again and again', async () => {
    held.state.refusing = true
    for (let connection = 0; connection < 10; connection++) {
      await node.give(1, posture([ssh]))
      await node.postures.settled()
      await node.time.pass(700)
    }
    await node.time.pass(1_200_000)
    const before = held.state.tried
    await node.time.pass(1_200_000)
    const tried = held.state.tried - before
    assert.ok(tried >= 3 && tried <= 5, `${tried} times in twenty minutes`)
  })

  test('with more networks of countries than this node takes is refused', async () => {
    const deny: PostureRule = {
      rule: 'country',
      name: 'none',
      way: 'node',
      mode: 'deny',
      countries: ['XA'],
    }
    const networks = Array.from({ length: 1_001 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`)
    await node.give(1, posture([deny], { countries: { XA: networks } }))
    await node.postures.settled()
    assert.equal(node.postures.receipts[0]?.code, 'ceiling_reached')
  })

  test('whose networks do not come is failed, and tried again', async () => {
    const deny: PostureRule = {
      rule: 'country',
      name: 'none',
      way: 'node',
      mode: 'deny',
      countries: ['XA'],
    }
    const made = posture([deny], { countries: { XA: ['203.0.113.0/24'] } })
    await node.give(1, { ...made, chunks: new Map() })
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 1, 'failed', 0]])
    for (const [digest, text] of made.chunks) node.chunks.set(digest, text)
    await node.time.pass(2_500)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 1, 'applied', 1]])
    assert.match(held.runs.at(-1) ?? '', /country_0_XA_4 \{ 203\.0\.113\.0\/24 \}/)
  })

  test('goes from the kernel when it is withdrawn, and when the node leaves the group', async () => {
    await node.give(1, posture([ssh]))
    await node.give(2, posture([web]), { aud: 'group/web' })
    await node.postures.settled()
    node.postures.leave('group/web')
    await node.postures.settled()
    assert.doesNotMatch(held.runs.at(-1) ?? '', /"web"/)
    await node.give(3, null)
    await node.postures.settled()
    assert.equal(held.runs.at(-1), 'removed')
    assert.deepEqual(node.told(), [['all', 3, 'applied', 0]])
  })

  test('goes at the start when the node is in the group no longer', async () => {
    await node.give(1, posture([web]), { aud: 'group/web' })
    await node.postures.settled()
    await again(['all', 'node/web-01'])
    assert.deepEqual([held.runs, node.told()], [['removed'], []])
  })

  test('that was refused is no trouble any more once the node leaves the group', async () => {
    const bare = postureNode({ folder: join(root, 'leaving'), table: undefined })
    await bare.postures.begin()
    await bare.give(1, posture([web]), { aud: 'group/web' })
    await bare.postures.settled()
    assert.equal(bare.state.problem?.code, 'conflict')
    bare.followed.delete('group/web')
    bare.postures.leave('group/web')
    assert.deepEqual([bare.told(), bare.state.problem], [[], undefined])
  })

  test('is not enforced when the node left the group while its networks were fetched', async () => {
    const only: PostureRule = {
      ...{ rule: 'country', name: 'web', way: 'node', mode: 'only', countries: ['XA'] },
    }
    const made = posture([only], { countries: { XA: ['203.0.113.0/24'] } })
    let come = () => {}
    const fetching = new Promise<void>((asked) => {
      node.service.fetch = () => {
        asked()
        return new Promise((done) => {
          come = done
        })
      }
    })
    await node.give(1, made, { aud: 'group/web' })
    await fetching
    node.followed.delete('group/web')
    node.postures.leave('group/web')
    come()
    await node.postures.settled()
    assert.deepEqual([held.runs, node.told()], [[], []])
  })

  test('that was taken back on the disk only leaves nothing in the kernel after a start', async () => {
    await node.postures.stop()
    held.state.intact = false
    node = postureNode({ folder, table: held.table })
    await node.postures.begin()
    assert.deepEqual(held.runs, ['removed'])
  })

  test('whose networks are damaged on the disk is fetched again when the service tells it', async () => {
    const deny: PostureRule = {
      rule: 'country',
      name: 'none',
      way: 'node',
      mode: 'deny',
      countries: ['XA'],
    }
    const made = posture([deny], { countries: { XA: ['203.0.113.0/24'] } })
    await node.give(1, made)
    await node.postures.settled()
    const chunk = readdirSync(join(folder, 'posture')).find((name) => name.length === 64) ?? ''
    writeFileSync(join(folder, 'posture', chunk), '["203.0.113.0/25"]')
    await again()
    assert.deepEqual(node.told(), [['all', 1, 'failed', 0]])
    await node.give(1, made)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 1, 'applied', 1]])
  })

  test('is refused by a back end that cannot hold it, and only planned in a dry run', async () => {
    const bare = postureNode({ folder: join(root, 'bare'), table: undefined })
    await bare.postures.begin()
    await bare.give(1, posture([ssh]))
    await bare.postures.settled()
    assert.equal(bare.postures.receipts[0]?.code, 'unsupported')
    const dry = memoryTable()
    const planning = postureNode({
      folder: join(root, 'dry'),
      table: { ...dry.table, enforcing: false },
    })
    await planning.postures.begin()
    await planning.give(1, posture([ssh]))
    await planning.postures.settled()
    assert.deepEqual(planning.told(), [['all', 1, 'planned', 0]], 'and enforces none')
    assert.deepEqual(planning.service.told, [])
  })
})

describe('a trial whose end the kernel holds', () => {
  let held: ReturnType<typeof memoryTable>
  let node: ReturnType<typeof postureNode>
  beforeEach(async () => {
    held = memoryTable()
    node = postureNode({ folder: join(root, String(count++)), table: held.table })
    await node.postures.begin()
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    held.gates.length = 0
    node.service.answers = false
  })
  const tryThem = async (confirm: number, rules: readonly PostureRule[] = [web], version = 2) => {
    await node.give(version, posture(rules), { confirm })
    await node.time.pass(0)
  }
  const heal = async () => {
    held.state.intact = false
    node.postures.heal()
    await node.time.pass(0)
  }
  /** Seconds that the kernel was told each time. */
  const told = () => held.gates.map((text) => Number(/ipv4 timeout (\d+)s, ipv6/.exec(text)?.[1]))
  /** Whether what judges without the trial, and what is on trial, are in what was written last. */
  const sides = () => {
    const text = held.runs.at(-1) ?? ''
    const has = (name: string) => text.includes(`comment "${name}"`)
    return { ssh: has('ssh'), web: has('web'), gate: text.includes('@on_trial') }
  }

  test('has both sides in the kernel, and goes on to judge only what was confirmed', async () => {
    await tryThem(60)
    assert.deepEqual([sides(), told()], [{ ssh: true, web: true, gate: true }, [60]])
    node.service.answers = true
    await node.time.pass(2_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'applied', 2]])
    assert.equal(held.runs.length, 2, 'the networks are not loaded again')
    const confirmed = held.gates.at(-1) ?? ''
    assert.match(confirmed, /input goto node$/m)
    for (const gone of [
      'set inet cordon_posture on_trial',
      'chain inet cordon_posture before_node',
    ])
      assert.ok(confirmed.includes(`delete ${gone}\n`), gone)
  })

  test('has no more time for being written again, and none when it is over', async () => {
    await tryThem(10)
    await node.time.pass(4_500)
    await heal()
    assert.deepEqual(told(), [10, 4], 'a second is for the way to the kernel')
    await node.time.pass(500)
    await heal()
    assert.deepEqual(told(), [10, 4, 2])
    await node.time.pass(100)
    await heal()
    assert.deepEqual(told(), [10, 4, 2], 'nothing is left of it')
    assert.deepEqual(sides(), { ssh: true, web: false, gate: false })
    const written = held.runs.length
    node.service.answers = true
    await node.time.pass(5_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'reverted', 1]], 'reached under what was before')
    assert.ok(held.runs.length <= written + 1, 'once more, when it was given up')
  })

  test('turns with the times of the week of either side, within its own time', async () => {
    node.service.answers = true
    const at = (times: string) => ({ times: `sun ${times}`, zone: 'UTC' })
    await node.give(2, posture([{ ...ssh, during: at('00:01-00:02') }]))
    await node.postures.settled()
    node.service.answers = false
    held.gates.length = 0
    await tryThem(600, [{ ...web, during: at('00:03-00:04') }], 3)
    assert.deepEqual(sides(), { ssh: false, web: false, gate: true })
    await node.time.pass(61_000)
    assert.deepEqual(sides(), { ssh: true, web: false, gate: true })
    await node.time.pass(120_000)
    assert.deepEqual(sides(), { ssh: false, web: true, gate: true })
    assert.deepEqual(told(), [600, 539, 478, 417])
  })

  test('is not proved by what came through while it was written', async () => {
    await tryThem(10)
    let come = () => {}
    node.service.answers = true
    node.service.reach = () => new Promise((done) => (come = done))
    await node.time.pass(1_000)
    await heal()
    come()
    await node.time.pass(0)
    assert.deepEqual(node.told(), [['all', 2, 'trying', 2]])
    node.service.reach = async () => {}
    await node.time.pass(1_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'applied', 2]])
  })

  test('does not begin where the kernel cannot end it: that is told as failed, and tried again', async () => {
    held.state.shut = true
    node.service.answers = true
    await tryThem(60)
    assert.deepEqual(node.told(), [['all', 2, 'failed', 1]])
    assert.deepEqual(sides(), { ssh: true, web: false, gate: false })
    held.state.shut = false
    await node.time.pass(3_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'applied', 2]])
  })

  test('that could not be opened again proves nothing any more', async () => {
    await tryThem(10)
    held.state.shut = true
    await heal()
    assert.deepEqual(sides(), { ssh: true, web: false, gate: false })
    node.service.answers = true
    await node.time.pass(12_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'reverted', 1]])
  })

  test('goes back where the kernel does not take its confirmation, and is tried again', async () => {
    await tryThem(60)
    held.state.refusing = true
    node.service.answers = true
    await node.time.pass(1_500)
    assert.deepEqual(node.told(), [['all', 2, 'failed', 1]])
    held.state.refusing = false
    await node.time.pass(3_000)
    await node.postures.settled()
    assert.deepEqual(node.told(), [['all', 2, 'applied', 2]])
  })

  test('loads networks once that both sides name, and counts of another audience go on', async () => {
    node.service.answers = true
    const countries = { XA: ['203.0.113.0/24'] }
    const deny = { rule: 'country', name: 'ssh', way: 'node', mode: 'deny' } as const
    await node.give(2, posture([{ ...deny, countries: ['XA'] }], { countries }))
    const rate = { packets: 1, per: 'hour', burst: 1 } as const
    await node.give(3, posture([{ ...web, verdict: 'accept', rate }]), { aud: 'group/web' })
    await node.postures.settled()
    node.service.answers = false
    const tried = posture([{ ...deny, name: 'web', countries: ['XA'] }], { countries })
    await node.give(4, tried, { confirm: 10 })
    await node.time.pass(0)
    const sets = [...(held.runs.at(-1) ?? '').matchAll(/^add set inet cordon_posture (\S+)/gm)]
    assert.deepEqual(
      sets.map(([, name]) => name).filter((name) => name?.endsWith('4')),
      ['protected4', 'home_4', 'country_0_XA_4', 'rate_1_0_4'],
    )
  })

  test('is printed by a dry run, with what would end it well', async () => {
    const printed: string[] = []
    const dry = postureNode({
      folder: join(root, String(count++)),
      table: printedPostureTable((text) => printed.push(text)),
    })
    await dry.postures.begin()
    await dry.give(1, posture([ssh]), { confirm: 30 })
    await dry.postures.settled()
    assert.equal(printed.length, 3)
    assert.match(printed[0] ?? '', /meta nfproto @on_trial goto node/)
    assert.match(printed[1] ?? '', /on_trial \{ ipv4 timeout 30s, ipv6 timeout 30s \}/)
    assert.match(printed[2] ?? '', /delete set inet cordon_posture on_trial/)
    assert.deepEqual(dry.told(), [['all', 1, 'planned', 0]])
  })
})

test('a node knows the port of the service that runs on it, and none of one that does not', () => {
  const own = ['127.0.0.1', '::1', '192.0.2.10', 'fe80::1%eth0']
  const port = (url: string, met: string[] = []) => portServedHere(url, met, own)
  assert.equal(port('http://127.0.0.1:8055'), 8055)
  assert.equal(port('http://localhost:8055'), 8055)
  assert.equal(port('https://[::1]:8055'), 8055)
  assert.equal(port('https://cordon.example', ['192.0.2.10']), 443)
  assert.equal(port('https://cordon.example', ['192.0.2.11']), undefined)
  assert.equal(port('https://cordon.example'), undefined)
})

describe('the text for the kernel', () => {
  const script = (rules: readonly PostureRule[], more: Parameters<typeof posture>[1] = {}) =>
    printPosture({
      postures: [{ audience: 'all', version: 1, posture: posture(rules, more).posture }],
      networks: () => [readAddress('203.0.113.0/24'), readAddress('2001:db8::/32')],
      here: [{ address: readAddress('192.0.2.1'), why: 'gateway' }],
      now: today,
    })

  test('replaces the table as a whole, and lets what must pass first', () => {
    const lines = script([ssh]).split('\n')
    assert.deepEqual(lines.slice(0, 3), [
      'add table inet cordon_posture',
      'delete table inet cordon_posture',
      'add table inet cordon_posture { comment "cordon: standing rules"; }',
    ])
    const at = (part: string) => lines.findIndex((line) => line.includes(part))
    assert.ok(at('passes ct state { established, related, untracked } accept') > 0)
    assert.ok(at('add rule inet cordon_posture input iif lo accept') < at('input jump passes'))
    assert.ok(at('input jump passes') < at('input goto node'))
    assert.ok(lines.includes('add element inet cordon_posture protected4 { 192.0.2.1 }'))
  })

  test('counts before it accepts, so that the rate is no hole and the accept no wall', () => {
    const rate = { packets: 20, per: 'minute', burst: 40 } as const
    const lines = script([{ ...ssh, verdict: 'accept', rate }]).split('\n')
    const own = lines.filter((line) => line.includes('rule inet cordon_posture node_0'))
    assert.deepEqual(own, [
      'add rule inet cordon_posture node_0 meta l4proto 6 ct original proto-dst 22 update @rate_0_0_4 { ip saddr limit rate over 20/minute burst 40 packets } counter drop comment "ssh"',
      'add rule inet cordon_posture node_0 meta l4proto 6 ct original proto-dst 22 update @rate_0_0_6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 20/minute burst 40 packets } counter drop comment "ssh"',
      'add rule inet cordon_posture node_0 meta l4proto 6 ct original proto-dst 22 return comment "ssh"',
    ])
    // 40 at 20 a minute take two minutes to come back, and one more for the last of them.
    assert.ok(lines.some((line) => /rate_0_0_4 .*timeout 180s/.test(line)))
  })

  test('knows only the rules that hold now', () => {
    const during = { times: 'mon 08:00-09:00', zone: 'UTC' }
    assert.doesNotMatch(script([{ ...ssh, during }]), /"ssh"/)
  })
})
