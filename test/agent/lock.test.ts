/** Only one agent works with a state folder, and a dead one does not stand in the way. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
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
