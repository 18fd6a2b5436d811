/** What a whole state may cost a node. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { wholeState } from '../../agent/resync.ts'
import { enforceFrom } from './enforcing.ts'
import { block, Sequence, serviceKey, trusting } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-resync-'))
after(() => rmSync(root, { recursive: true }))

test('of a state whose chunks hold more than was signed for, no more is asked for than shows it', async () => {
  const { enforcer } = enforceFrom(root)
  const nonce = 'n'.repeat(22)
  const blocks = Array.from({ length: 15_003 }, (_, n) => block(n))
  const { manifest, chunks } = new Sequence('all').snapshot(nonce, blocks, 5_001, {
    blocks: 10_001,
  })
  const asked: string[] = []
  const service = {
    ask: async () => ({ manifest }),
    text: async (path: string) => {
      asked.push(path)
      return chunks.get(path.split('/').at(-1) ?? '') ?? ''
    },
    stream: () => assert.fail('not asked for here'),
    close: () => {},
  }
  const on = {
    service,
    accept: enforcer.accepting,
    trust: () => trusting(serviceKey),
    learnKeys: async () => {},
    nonce: () => nonce,
  }
  await assert.rejects(wholeState(on, 'all', false), { code: 'snapshot_incomplete' })
  assert.equal(asked.length, 2)
})
