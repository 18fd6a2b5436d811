/** `cordon manifest …` as a person types it: what it shows, asks, writes and says. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { snapshot, temporary } from '../manifest/tree.ts'
import { root as repository, type Typed, type } from './terminal.ts'

const now = () => Date.parse('2026-03-01T12:00:00Z')
const isRoot = process.geteuid?.() === 0

function cordon(dest: string, words: string, typed: Typed = {}) {
  return type(
    ['manifest', ...words.split(' '), ...(words.includes('--dest') ? [] : ['--dest', dest])],
    { now, ...typed },
  )
}

const install = 'install systemd --part service --set listen=192.0.2.10:8055'
const ownerNote = (dest: string) =>
  `note: owners are left out (root:root): ${isRoot ? `${dest} has no users of its own` : 'only root may give files away'}\n`

describe('cordon manifest install', () => {
  test('shows the diff and does nothing where nobody can be asked', async () => {
    using dest = temporary()
    const { code, out, err } = await cordon(dest.path, install)
    assert.equal(code, 3)
    const env = join(dest.path, 'etc/cordon/cordon.env')
    assert.ok(
      out.includes(`new ${env}, mode 0640\n--- /dev/null\n+++ ${env}\n@@ -0,0 +1,2 @@\n`),
      out,
    )
    assert.ok(out.includes('\n+CORDON_LISTEN=192.0.2.10:8055\n'))
    assert.equal(err, `${ownerNote(dest.path)}hint: nothing was done; add --yes to do it\n`)
    assert.equal(snapshot(dest.path).length, 1)
  })

  test('asks on a terminal, and takes only yes for yes', async () => {
    using dest = temporary()
    for (const stdin of ['', '\n', 'n\n', 'yesterday\n']) {
      const { code, err } = await cordon(dest.path, install, { terminal: true, stdin })
      assert.equal(code, 3)
      assert.match(err, /write this below .*\? \[y\/N\] /)
      assert.equal(snapshot(dest.path).length, 1)
    }
    assert.equal((await cordon(dest.path, install, { terminal: true, stdin: 'y\n' })).code, 0)
    assert.ok(snapshot(dest.path).some((line) => line.startsWith('etc/cordon/cordon.env ')))
  })

  test('writes, says what to do next, and the second time has nothing to do', async () => {
    using dest = temporary()
    const first = await cordon(dest.path, `${install} --yes`)
    assert.equal(first.code, 0)
    assert.match(first.out, /\ninstalled below .*\n\nNext\n1\. sudo systemctl daemon-reload/)
    const was = snapshot(dest.path)
    for (const again of [install, `${install} --yes`, 'install systemd']) {
      const { code, out } = await cordon(dest.path, again)
      assert.deepEqual([code, out], [0, 'nothing to change\n'])
    }
    assert.deepEqual(snapshot(dest.path), was)
  })

  test('only shows with --dry-run, also with --yes', async () => {
    using dest = temporary()
    assert.equal((await cordon(dest.path, `${install} --dry-run --yes`)).code, 3)
    assert.equal(snapshot(dest.path).length, 1)
  })

  test('adds a part to those that are there', async () => {
    using dest = temporary()
    await cordon(dest.path, `${install} --yes`)
    await cordon(dest.path, 'install systemd --part agent --yes')
    const { out } = await cordon(dest.path, 'list --json')
    const systemd = JSON.parse(out).find(({ host }: { host: string }) => host === 'systemd')
    assert.deepEqual(systemd.here[0].parts, ['service', 'agent'])
    assert.equal((await cordon(dest.path, 'remove systemd --yes')).code, 0)
    assert.equal(snapshot(dest.path).length, 1)
  })

  test('gives owners where the root has users, and refuses a name that nobody has', async (t) => {
    if (!isRoot) return t.skip('only root can give a file away')
    using dest = temporary()
    mkdirSync(join(dest.path, 'etc'))
    writeFileSync(join(dest.path, 'etc/passwd'), 'root:x:7:7::/:/bin/sh\n')
    writeFileSync(join(dest.path, 'etc/group'), 'staff:x:8:\n')
    const refused = await cordon(dest.path, `${install} --yes`)
    assert.match(
      refused.err,
      /^error: .*cordon\.service: there is no group root on this machine\nhint: /,
    )
    writeFileSync(join(dest.path, 'etc/group'), 'root:x:8:\n')
    const { code, out } = await cordon(dest.path, `${install} --yes`)
    assert.equal(code, 0)
    assert.match(out, /cordon\.env, mode 0640, owner root:root\n/)
    const env = snapshot(dest.path).find((line) => line.startsWith('etc/cordon/cordon.env '))
    assert.match(env ?? '', / 100640 7:8 /)
  })

  for (const [words, error] of [
    ['install sytemd', /no manifest sytemd\nhint: did you mean systemd\?/],
    [
      'install systemd',
      /several parts: service, agent, agent-by-ssh\nhint: name what belongs on this machine/,
    ],
    ['install systemd --part servce', /no part servce\nhint: did you mean service\?/],
    ['install systemd --part service', /listen is missing: .*\nhint: give it: --set listen=/],
    [
      'install systemd --part service --set lisen=x',
      /no setting lisen\nhint: did you mean listen\?/,
    ],
    ['install systemd --part service --set listen', /"listen" is no name=value/],
    ['install systemd --part service --set listen=here', /"here" is not of the form/],
    ['install systemd --part service --set listen=192.0.2.10:1 --dest=', /--dest is empty/],
    ['remove ../x', /no manifest \.\.\/x/],
  ] as const)
    test(`"${words}" says what is wrong with it`, async () => {
      using dest = temporary()
      const { code, err } = await cordon(dest.path, words)
      assert.ok(code === 1 || code === 2)
      assert.match(err, error)
      assert.equal(snapshot(dest.path).length, 1)
    })
})

describe('cordon manifest list and remove', () => {
  test('tell where and when it was installed, and what a person changed since', async () => {
    using dest = temporary()
    assert.match((await cordon(dest.path, 'list')).out, /^systemd +systemd .* no$/m)
    await cordon(dest.path, `${install} --yes`)
    const later = { now: () => now() + 3_600_000 }
    const line = /^systemd .* service at \S+, 2026-03-01 12:00:00Z \(1h ago\)$/m
    assert.match((await cordon(dest.path, 'list', later)).out, line)
    writeFileSync(join(dest.path, 'etc/systemd/system/cordon.service'), 'mine\n')
    const changed = /changed since: \/etc\/systemd\/system\/cordon\.service$/m
    assert.match((await cordon(dest.path, 'list')).out, changed)
  })

  test('tell of an older version, which installing again brings up to date', async () => {
    using dest = temporary()
    await cordon(dest.path, `${install} --yes`)
    const unit = join(dest.path, 'etc/systemd/system/cordon.service')
    const recordPath = join(dest.path, 'var/lib/cordon-manifests/systemd.json')
    const { createHash } = await import('node:crypto')
    const digest = (text: string) => createHash('sha256').update(text).digest('hex')
    const record = readFileSync(recordPath, 'utf8')
    const older = 'the unit of an older version\n'
    writeFileSync(recordPath, record.replace(digest(readFileSync(unit, 'utf8')), digest(older)))
    writeFileSync(unit, older)
    assert.match((await cordon(dest.path, 'list')).out, /, outdated$/m)
    const { code, out } = await cordon(dest.path, 'install systemd --yes')
    assert.equal(code, 0)
    assert.match(out, /\n-the unit of an older version\n/)
    assert.doesNotMatch((await cordon(dest.path, 'list')).out, /outdated/)
    assert.equal((await cordon(dest.path, 'remove systemd --yes')).code, 0)
    assert.equal(snapshot(dest.path).length, 1)
  })

  test('remove what was installed, and say so when nothing is', async () => {
    using dest = temporary()
    await cordon(dest.path, `${install} --yes`)
    assert.equal((await cordon(dest.path, 'remove systemd')).code, 3)
    const { code, out } = await cordon(dest.path, 'remove systemd --yes')
    assert.equal(code, 0)
    assert.match(out, /^remove \S+cordon\.service\n--- \S+\n\+\+\+ \/dev\/null\n/m)
    assert.equal(snapshot(dest.path).length, 1)
    const again = await cordon(dest.path, 'remove systemd --yes')
    assert.deepEqual([again.code, again.out], [0, 'nothing to change: systemd is not installed\n'])
  })

  test('do not take what a person changed, and show it', async () => {
    using dest = temporary()
    await cordon(dest.path, `${install} --yes`)
    const unit = join(dest.path, 'etc/systemd/system/cordon.service')
    writeFileSync(unit, 'mine\u001b[2J\n')
    const { code, out, err } = await cordon(dest.path, 'remove systemd --yes')
    assert.equal(code, 1)
    assert.ok(out.includes('\n-mine\\u{1b}[2J\n'), 'shown without what would move the cursor')
    assert.equal(
      err,
      `error: changed by a person since: ${unit}; nothing was done\nhint: keep what is to be kept of it, then add --force: it is replaced as shown\n`,
    )
    const told = JSON.parse((await cordon(dest.path, 'remove systemd --yes --json')).out)
    assert.equal(told.done, false)
    assert.deepEqual(
      told.conflicts.map(({ path }: { path: string }) => path),
      [unit],
    )
    assert.equal((await cordon(dest.path, 'remove systemd --yes --force')).code, 0)
    assert.equal(snapshot(dest.path).length, 1)
  })
})

test('cordon manifest show tells parts, files with modes, settings and the page', async () => {
  const { code, out } = await type(['manifest', 'show', 'systemd'])
  assert.equal(code, 0)
  assert.match(out, /\/etc\/cordon\/cordon\.env {2}0640 root:root\n/)
  assert.match(out, /^listen +required, such as 192\.0\.2\.10:8055 /m)
  assert.match(out, /^# systemd units$/m)
})

test('who may not write there is told so before being asked, and nothing is half done', (t) => {
  if (!isRoot) return t.skip('only root can become somebody else')
  using dest = temporary()
  const nobody = { uid: 65_534, gid: 65_534 }
  const program = fileURLToPath(new URL('cordon.ts', repository))
  const run = (words: string) =>
    spawnSync(process.execPath, [program, 'manifest', ...words.split(' '), '--dest', dest.path], {
      ...nobody,
      env: { NODE_DISABLE_COMPILE_CACHE: '1' },
      encoding: 'utf8',
    })
  chmodSync(dest.path, 0o755)
  const refused = run(`${install} --yes`)
  assert.equal(refused.status, 1, refused.stderr)
  assert.match(refused.stderr, /error: cannot write \S+ \(EACCES\)\nhint: run it as root: sudo /)
  assert.equal(snapshot(dest.path).length, 1)
  mkdirSync(join(dest.path, 'var/lib/cordon-manifests'), { recursive: true, mode: 0o755 })
  chmodSync(join(dest.path, 'var/lib/cordon-manifests'), 0o700)
  assert.match(run('list').stdout, /^wazuh .* only root can tell$/m)
  rmSync(join(dest.path, 'var'), { recursive: true })
  chownSync(dest.path, nobody.uid, nobody.gid)
  const done = run(`${install} --yes`)
  assert.equal(done.status, 0, done.stderr)
  assert.match(done.stderr, /owners are left out \(root:root\): only root may give files away/)
  assert.match(snapshot(dest.path).join('\n'), /etc\/cordon\/cordon\.env 100640 65534:65534 /)
  assert.equal(run('remove systemd --yes').status, 0)
  assert.equal(snapshot(dest.path).length, 1)
})
