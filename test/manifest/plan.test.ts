/** A plan is data: from wishes, what is there and what was recorded follow the changes, and nothing is touched. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { planInstall, planRemove } from '../../actions/manifest/plan.ts'
import { showChange } from '../../actions/manifest/print-plan.ts'
import type { Seen, State } from '../../actions/manifest/state.ts'
import type { FileWish } from '../../actions/manifest/wish.ts'

const about = { host: 'demo', installed: '2026-03-01T12:00:00.000Z', parts: ['main'], settings: {} }
const owners = ({ group }: { group: string | undefined }) => ({
  uid: 0,
  ...(group === 'wazuh' ? { gid: 998 } : {}),
})
const how = { owners, force: false }
const names = {
  user: (id: number) => (id === 0 ? 'root' : String(id)),
  group: (id: number) => (id === 998 ? 'wazuh' : String(id)),
}

function wish(content: string, more: Partial<FileWish> = {}): FileWish {
  return {
    kind: 'file',
    part: 'main',
    path: '/etc/demo',
    content: Buffer.from(content),
    mode: 0o640,
    owner: 'root',
    group: 'wazuh',
    keep: false,
    ...more,
  }
}

function seen(state: State | undefined): Seen {
  return { states: new Map([['/etc/demo', state]]), missing: [] }
}

const there: State = { content: Buffer.from('old\n'), mode: 0o644, uid: 0, gid: 0 }

describe('a plan', () => {
  test('prints as a unified diff with mode and owner', () => {
    const { changes } = planInstall([wish('new\n')], about, seen(there), undefined, how)
    const shown = changes.map((change) => showChange(change, '/srv', names))
    assert.deepEqual(shown, [
      {
        path: '/srv/etc/demo',
        what: 'change',
        rights: 'mode 0644 → 0640, owner root:0 → root:wazuh',
        diff: '--- /srv/etc/demo\n+++ /srv/etc/demo\n@@ -1,1 +1,1 @@\n-old\n+new\n',
      },
    ])
  })

  test('says of a file that is new, or that goes, that there is nothing on the other side', () => {
    const { changes, record } = planInstall([wish('new\n')], about, seen(undefined), undefined, how)
    const [made] = changes.map((change) => showChange(change, '/', names))
    assert.equal(made?.what, 'new')
    assert.equal(made?.rights, 'mode 0640, owner root:wazuh')
    assert.match(made?.diff ?? '', /^--- \/dev\/null\n\+\+\+ \/etc\/demo\n/)
    assert.ok(record)
    const gone = planRemove(record, seen({ ...there, content: Buffer.from('new\n') }), how)
    const [removed] = gone.changes.map((change) => showChange(change, '/', names))
    assert.equal(removed?.what, 'remove')
    assert.match(removed?.diff ?? '', /^--- \/etc\/demo\n\+\+\+ \/dev\/null\n/)
  })

  test('does not print what is no text', () => {
    const { changes } = planInstall(
      [wish('', { content: Buffer.from([0xff, 0]) })],
      about,
      seen(there),
      undefined,
      how,
    )
    assert.deepEqual(
      changes.map((change) => showChange(change, '/', names).diff),
      ['4 bytes → 2 bytes, no text\n'],
    )
  })

  test('is empty when all is there, and still remembers it', () => {
    const state = { content: Buffer.from('new\n'), mode: 0o640, uid: 0, gid: 998 }
    const first = planInstall([wish('new\n')], about, seen(state), undefined, how)
    assert.deepEqual(first.changes, [])
    assert.ok(first.record)
    assert.deepEqual(planRemove(first.record, seen(state), how).changes, [])
  })

  test('remembers what was there before the first installation, not before the last', () => {
    const first = planInstall([wish('one\n')], about, seen(there), undefined, how)
    const one = { ...there, content: Buffer.from('one\n') }
    const second = planInstall([wish('two\n')], about, seen(one), first.record, how)
    assert.ok(second.record)
    const two = { ...there, content: Buffer.from('two\n') }
    const [back] = planRemove(second.record, seen(two), how).changes
    assert.deepEqual(back?.after, there)
  })

  test('leaves a file its owner where the manifest names none', () => {
    const state = { ...there, uid: 5, gid: 6 }
    const wished = wish('new\n', { mode: 0o644 })
    const plan = planInstall([wished], about, seen(state), undefined, {
      owners: () => ({}),
      force: false,
    })
    assert.deepEqual(plan.changes[0]?.after, { ...state, content: Buffer.from('new\n') })
  })
})
