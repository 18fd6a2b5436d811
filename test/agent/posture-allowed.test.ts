/** Who is allowed for a time passes standing rules: only that is written when it changes, and the rules come first. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import type { PostureRule } from '#contract/posture.ts'
import { printedPostureTable } from '../../agent/kernel/posture-table.ts'
import { element } from '../kernel/scoped.ts'
import { memoryTable, posture, postureNode } from './posture-node.ts'
import { today } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-allowed-'))
after(() => rmSync(root, { recursive: true }))
let count = 0

const ssh: PostureRule = {
  ...{ rule: 'service', name: 'ssh', way: 'node', protocol: 'tcp', ports: ['22'] },
  verdict: 'drop',
}
const allow = (way: 'in' | 'out' | 'forward', target = '203.0.113.7', end = today + 60_000) =>
  element('allow', way, target, { end })
const table = 'inet cordon_posture'

describe('who is allowed', () => {
  let held: ReturnType<typeof memoryTable>
  let node: ReturnType<typeof postureNode>
  beforeEach(async () => {
    held = memoryTable()
    node = postureNode({ folder: join(root, String(count++)), table: held.table })
    await node.postures.begin()
  })
  const standing = async () => {
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    held.runs.length = 0
  }
  const order = async (...elements: Parameters<typeof node.order>) => {
    node.order(...elements)
    await node.postures.settled()
  }

  test('passes what is in force, by sets of its own, until it is lifted', async () => {
    await standing()
    await order(allow('in'))
    assert.deepEqual(held.runs, [
      [
        `flush chain ${table} allowed_node`,
        `flush chain ${table} allowed_through`,
        `add set ${table} allow_in4_0 { type ipv4_addr; flags interval, timeout; size 65536; }`,
        `add element ${table} allow_in4_0 { 203.0.113.7 timeout 0d60s0ms }`,
        `add rule ${table} allowed_node ip saddr @allow_in4_0 accept`,
        `add rule ${table} allowed_through ip saddr @allow_in4_0 accept`,
        '',
      ].join('\n'),
    ])
    await order()
    assert.deepEqual(held.runs.at(-1)?.split('\n'), [
      `flush chain ${table} allowed_node`,
      `flush chain ${table} allowed_through`,
      `delete set ${table} allow_in4_0`,
      '',
    ])
  })

  test('is in the whole table when that is written', async () => {
    await order(allow('forward'))
    assert.deepEqual(held.runs, [], 'without standing rules nothing is done')
    await node.give(1, posture([ssh]))
    await node.postures.settled()
    const [whole = ''] = held.runs
    assert.match(
      whole,
      /add element inet cordon_posture allow_forward4_0 \{ 203\.0\.113\.7 timeout/,
    )
    assert.match(whole, /add rule inet cordon_posture allowed_through ip saddr @allow_forward4_0/)
    assert.doesNotMatch(whole, /allowed_node ip saddr/)
  })

  test('is what begins something: blocks, limits and what goes out change nothing here', async () => {
    await standing()
    const limit = element('limit', 'in', '203.0.113.7', { end: today + 60_000 })
    await order(element('drop', 'in', '203.0.113.7', { port: 22 }), limit, allow('out'))
    assert.deepEqual(held.runs, [])
  })

  test('is asked about only what begins a connection, and after what is protected', async () => {
    await standing()
    const printed: string[] = []
    const printing = postureNode({
      folder: join(root, String(count++)),
      table: printedPostureTable((script) => printed.push(script)),
    })
    await printing.postures.begin()
    printing.order(allow('in'))
    await printing.give(1, posture([ssh]))
    await printing.postures.settled()
    assert.match(
      printed[0] ?? '',
      /input jump passes\n.* input ct state new jump allowed_node .*\n.* input meta nfproto @on_trial goto node /,
    )
    printing.order()
    await printing.postures.settled()
    assert.match(
      printed.at(-1) ?? '',
      /^flush chain .*\n.*\ndelete set inet cordon_posture allow_in4_0\n$/,
    )
    await printing.postures.stop()
  })

  test('and cannot be let past by this kernel: the rules stay in force, and the node says so', async () => {
    await standing()
    held.state.refusingAllowed = true
    await order(allow('in'))
    assert.equal(held.runs.length, 1)
    assert.doesNotMatch(held.runs.at(-1) ?? '', /allow_in4/)
    assert.match(node.state.problem?.message ?? '', /standing rules stop what is allowed, too/)
    await order()
    assert.equal(node.state.problem, undefined)
    assert.deepEqual(node.told(), [['all', 1, 'applied', 1]])
  })

  test('passes again at once when somebody changed the table: it is written as a whole', async () => {
    await standing()
    const { allow: write } = held.table
    held.table.allow = async () => {
      held.table.allow = write
      throw new Error('somebody changed it')
    }
    await order(allow('in'))
    assert.match(held.runs.at(-1) ?? '', /^add table.* allow_in4_0 \{ 203/s)
    assert.equal(node.state.problem, undefined)
  })
})
