/** What a whole state may cost a node. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { AcceptOn } from '../../agent/accept.ts'
import { type ResyncOn, wholeState } from '../../agent/resync.ts'
import { enforceFrom } from './enforcing.ts'
import { block, Sequence, serviceKey, trusting } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-resync-'))
after(() => rmSync(root, { recursive: true }))
const nonce = 'n'.repeat(22)

test('of a state whose chunks hold more than was signed for, no more is asked for than the one behind what shows it', async () => {
  const { enforcer } = enforceFrom(root)
  const blocks = Array.from({ length: 30_004 }, (_, n) => block(n))
  const { manifest, chunks } = new Sequence('all').snapshot(nonce, blocks, 7_501, {
    blocks: 15_001,
  })
  const asked: string[] = []
  const on = asking(asked, { manifest, chunks }, enforcer.accepting)
  await assert.rejects(wholeState(on, 'all', false), { code: 'snapshot_incomplete' })
  assert.equal(asked.length, 3)
})

test('the next chunk of a state is on its way while one is read', async () => {
  const { enforcer } = enforceFrom(root)
  const blocks = Array.from({ length: 10_002 }, (_, n) => block(n))
  const { manifest, chunks } = new Sequence('all').snapshot(nonce, blocks)
  const asked: string[] = []
  const askedAt: number[] = []
  // Each block is held against what is protected here.
  const here = () => {
    askedAt.push(asked.length)
    return []
  }
  const on = asking(asked, { manifest, chunks }, { ...enforcer.accepting, here })
  const { claims } = await wholeState(on, 'all', false)
  assert.deepEqual(
    claims.map(({ decision }) => decision),
    blocks.map(({ decision }) => decision),
  )
  assert.deepEqual(
    [0, 5_000, 10_000].map((row) => askedAt[row]),
    [2, 3, 3],
  )
})

/** Of a service that has this state; what is asked for of it is noted. */
function asking(
  asked: string[],
  { manifest, chunks }: ReturnType<Sequence['snapshot']>,
  accept: AcceptOn,
): ResyncOn {
  const service = {
    ask: async () => ({ manifest }),
    text: async (path: string) => {
      asked.push(path)
      return chunks.get(path.split('/').at(-1) ?? '') ?? ''
    },
    stream: () => assert.fail('not asked for here'),
    close: () => {},
  }
  const trust = () => trusting(serviceKey)
  const { expresses, record } = accept
  return {
    ...{ service, record, trust, judging: accept, expresses: async () => expresses },
    ...{ learnKeys: async () => {}, nonce: () => nonce },
  }
}
