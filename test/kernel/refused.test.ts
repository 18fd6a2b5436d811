/** One order that a real kernel refuses among others that it takes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { block, decision } from '../agent/signer.ts'
import { ownNamespace } from '../namespace.ts'
import { conformingNode, everyBackEnd } from './conforming.ts'

const kernel = await ownNamespace(import.meta.url)
const root = mkdtempSync(join(tmpdir(), 'cordon-refused-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** As long as no interface's name can be, so that every kernel refuses it. */
const spoilt = { from: 'spoilt0', to: 'a-name-that-no-interface-has' }

for (const { name, make, skip } of everyBackEnd)
  describe(`through ${name}`, { skip: kernel.skipLarge || skip() }, () => {
    test('the others are in force, and it when the kernel takes it', async () => {
      const firewall = await make()
      const spoiling = new Spoiling(firewall)
      const node = conformingNode(spoiling.firewall, join(root, name))
      await node.heal()
      const tcp = { protocol: 'tcp' as const, ports: ['22'] }
      const refused = { code: 'kernel_refused' }
      await node.order(block(1, tcp))
      const poisoned = [block(2, tcp), block(3, { interface: spoilt.from }), block(4, tcp)]
      await assert.rejects(node.order(...poisoned), refused)
      await assert.rejects(node.order(block(5, tcp)), refused)
      assert.deepEqual(hostsThere(), [1, 2, 4, 5])
      const statuses = () => [1, 2, 3, 4, 5].map((n) => node.answerTo(decision(n))?.status)
      assert.deepEqual(statuses(), ['applied', 'applied', 'failed', 'applied', 'applied'])
      assert.match(node.answerTo(decision(3))?.detail ?? '', /\w+ \w+/, 'with its words')
      spoiling.stop()
      await node.heal()
      assert.deepEqual(hostsThere(), [1, 2, 3, 4, 5])
      assert.equal(statuses().join(), 'applied,applied,applied,applied,applied')
      await node.stop()
      await firewall.clear()
      await firewall.close()
    })
  })

class Spoiling {
  readonly firewall: Firewall
  #spoils = true

  constructor(firewall: Firewall) {
    this.firewall = {
      ...firewall,
      setScoped: (elements, now) =>
        firewall.setScoped(
          elements.map((element) => {
            const spoils = this.#spoils && element.interface === spoilt.from
            return spoils ? { ...element, interface: spoilt.to } : element
          }),
          now,
        ),
    }
  }

  stop(): void {
    this.#spoils = false
  }
}

/** The last numbers of the hosts that any set holds. */
function hostsThere(): number[] {
  const sets = execFileSync('sh', ['-c', 'nft list ruleset; ipset save'], { encoding: 'utf8' })
  const found = [...sets.matchAll(/203\.0\.113\.(\d+)/g)].map(([, n]) => Number(n))
  return [...new Set(found)].sort((a, b) => a - b)
}
