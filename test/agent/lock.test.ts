/** Only one agent works with a state folder, and a dead one does not stand in the way. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { FeedMemory } from '../../agent/feed-memory.ts'
import { lockFolder } from '../../agent/lock.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-lock-'))
const path = join(folder, 'agent.lock')
after(() => rmSync(folder, { recursive: true }))

test('who holds the folder is told, and after it is given back anybody may have it', () => {
  const unlock = lockFolder(folder)
  assert.throws(() => lockFolder(folder), { code: 'conflict' })
  unlock()
  assert.equal(existsSync(path), false)
  lockFolder(folder)()
})

test('what a dead process left is taken over, also when its number was given to another', () => {
  lockFolder(folder)
  const own = readFileSync(path, 'utf8').trim()
  rmSync(path)
  const earlier = own.replace(/\d+$/, (began) => String(Number(began) - 1))
  for (const left of [earlier, own.replace(/^\d+/, '4194304'), `${process.pid} gone`, '', 'torn']) {
    writeFileSync(path, `${left}\n`)
    const unlock = lockFolder(folder)
    assert.equal(readFileSync(path, 'utf8').trim(), own, left)
    unlock()
  }
  assert.deepEqual(readdirSync(folder), [])
})

describe('a state folder that others can look into', () => {
  const mode = (path: string) => statSync(path).mode & 0o7777
  const made = (more: number) => {
    const path = mkdtempSync(join(folder, 'open-'))
    chmodSync(path, more)
    return path
  }

  test("is closed to them when it holds nothing but the agent's own", () => {
    const path = made(0o755)
    for (const name of ['node.key', 'service.json.new', 'lost+found'])
      writeFileSync(join(path, name), '')
    new FeedMemory(path).keep()
    lockFolder(path)()
    assert.equal(mode(path), 0o700)
  })

  test('is refused with a remedy, and left as it is, when it holds other things', () => {
    const path = made(0o1777)
    writeFileSync(join(path, 'letter.txt'), '')
    assert.throws(() => lockFolder(path), {
      code: 'setting_invalid',
      message: /open to others \(mode 1777\) and holds letter\.txt/,
      remedy: /CORDON_AGENT_STATE_DIR .* chmod 700/,
    })
    assert.equal(mode(path), 0o1777)
    assert.deepEqual(readdirSync(path), ['letter.txt'])
  })
})
