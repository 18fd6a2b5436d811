/** When modules of empty tables of iptables-legacy are taken out of the kernel: only where nobody else loses anything. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { MadeTable } from '../../agent/kernel/iptables-made.ts'
import { unload } from '../../agent/kernel/iptables-modules.ts'
import { runProgram } from '../../agent/kernel/program.ts'
import { ownNamespace } from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const raw: MadeTable = { family: 4, table: 'raw' }
const raw6: MadeTable = { family: 6, table: 'raw' }
const first = 'net:[4026531840]'
const other = 'net:[4026532200]'

/** What a machine shows of itself on which nothing stands against it. */
const alone = {
  links: {
    'proc/self/ns/pid': 'pid:[4026531836]',
    'proc/self/ns/user': 'user:[4026531837]',
    'proc/self/ns/net': first,
    'proc/1/task/1/ns/net': first,
    'proc/70/task/71/ns/net': first,
    'proc/70/fd/3': 'socket:[4711]',
    'proc/70/fd/4': first,
  },
  files: {
    'proc/1/mountinfo': '22 1 0:21 / /proc rw - proc proc rw\n',
    'sys/module/iptable_raw/initstate': 'live\n',
    'sys/module/ip6table_raw/initstate': 'live\n',
  },
  /** What `rmmod` says when it refuses. */
  refusal: '',
}

describe('the modules of empty tables', { skip: kernel.skip }, () => {
  const folders: string[] = []
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })

  test('go where nobody else could have the tables', async () => {
    assert.deepEqual(await onMachine({}), { gone: ['iptable_raw', 'ip6table_raw'], why: [] })
  })

  for (const [what, links] of [
    ['a thread is in', { 'proc/70/task/72/ns/net': other }],
    ['somebody has open', { 'proc/70/fd/5': other }],
  ] as const)
    test(`stay while there is another network namespace that ${what}`, async () => {
      const { gone, why } = await onMachine({ links })
      assert.deepEqual(gone, [])
      assert.deepEqual(
        why,
        Array(2).fill(
          'another network namespace is in use (a container, ip netns) and would lose its table too',
        ),
      )
    })

  test('stay while a network namespace is mounted anywhere, as ip netns and containers do', async () => {
    const mountinfo = '90 25 0:4 net:[4026532200] /run/netns/web rw shared:9 - nsfs nsfs rw\n'
    const { gone } = await onMachine({ files: { 'proc/70/mountinfo': mountinfo } })
    assert.deepEqual(gone, [])
  })

  for (const [what, links] of [
    ['of a container', { 'proc/self/ns/pid': 'pid:[4026532300]' }],
    ['without the rights of the host', { 'proc/self/ns/user': 'user:[4026532301]' }],
  ] as const)
    test(`stay where only the processes ${what} are to be seen`, async () => {
      const { gone, why } = await onMachine({ links })
      assert.deepEqual(gone, [])
      assert.deepEqual(why, Array(2).fill('from here it cannot be seen who else uses it'))
    })

  test('stay where they are no modules', async () => {
    const { gone, why } = await onMachine({ without: ['sys/module/ip6table_raw/initstate'] })
    assert.deepEqual([gone, why], [['iptable_raw'], ['it is built into this kernel']])
  })

  test('stay where the kernel still counts a rule in any namespace', async () => {
    const refusal = 'rmmod: ERROR: Module iptable_raw is in use'
    const { why } = await onMachine({ refusal })
    assert.deepEqual(why, [refusal, refusal])
  })

  test('stay where this user may not do it, or nothing can be started', async () => {
    const why = await unload([raw, raw6], async () => {
      throw new Error('no shell')
    })
    assert.equal(why.size, 2)
  })

  type Machine = Partial<Record<'links' | 'files', Readonly<Record<string, string>>>> & {
    without?: readonly string[]
    refusal?: string
  }

  /** Which went, and why the others did not. */
  async function onMachine({ links = {}, files = {}, without = [], refusal = '' }: Machine) {
    const folder = mkdtempSync(join(tmpdir(), 'cordon-modules-'))
    folders.push(folder)
    const put = (name: string, make: (path: string) => void) => {
      if (without.includes(name)) return
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      make(join(folder, name))
    }
    for (const [name, to] of Object.entries({ ...alone.links, ...links }))
      put(name, (path) => symlinkSync(to, path))
    for (const [name, text] of Object.entries({ ...alone.files, ...files }))
      put(name, (path) => writeFileSync(path, text))
    const log = join(folder, 'log')
    writeFileSync(log, '')
    put('bin/rmmod', (path) => {
      const refuse = refusal === '' ? `echo "$1" >>${log}` : `echo '${refusal}' >&2; exit 1`
      writeFileSync(path, `#!/bin/sh\n${refuse}\n`)
      chmodSync(path, 0o755)
    })
    const mounts = ['proc', 'sys'].map((at) => `mount --bind ${folder}/${at} /${at}`)
    const inside = [...mounts, `PATH=${folder}/bin:$PATH`, 'exec "$@"'].join(' && ')
    const why = await unload([raw, raw6], (words) =>
      runProgram('unshare', ['--mount', 'sh', '-c', inside, 'sh', 'sh', ...words]),
    )
    const gone = readFileSync(log, 'utf8').split('\n').filter(Boolean)
    return { gone, why: [...why.values()] }
  }
})
