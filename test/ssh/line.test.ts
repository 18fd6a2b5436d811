/** What goes over the connection to a host arrives as it was meant, and what is missing there is told with a remedy. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { readHost, type SshLine, sshLine } from '../../agent/kernel/ssh-line.ts'
import { sshProblem } from '../../agent/kernel/ssh-problem.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-line-'))
const lines: SshLine[] = []
after(() => {
  for (const line of lines) line.close()
  rmSync(folder, { recursive: true })
})

describe('a program of the host', () => {
  test('is given its words as they are, whatever stands in them', async () => {
    const line = lineTo({})
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 4 }),
        async (words) => {
          const given = words.map((word) => word.replaceAll(/[\0\r\n]/g, ''))
          const { output } = await line.run(['printf', '%s|', ...given, 'end'])
          assert.equal(output, `${[...given, 'end'].join('|')}|`)
        },
      ),
      { numRuns: 50 },
    )
  })

  for (const size of [0, 1, 60_000, 200_000])
    test(`is given ${size} characters of input whole, and its end`, async () => {
      const input = 'x'.repeat(Math.max(0, size - 1)) + (size > 0 ? '\n' : '')
      const { output } = await lineTo({}).run(['wc', '-c'], { input })
      assert.equal(Number(output), size)
    })

  test('tells how it ended and what it complained of, one after the other', async () => {
    const line = lineTo({})
    const asked = [1, 2, 3].map((code) =>
      line.run(['sh', '-c', `echo out ${code}; echo err ${code} >&2; exit ${code}`]),
    )
    const said = (await Promise.all(asked)).map(({ code, output, errors }) => [
      code,
      output.trim(),
      errors.trim(),
    ])
    assert.deepEqual(
      said,
      [1, 2, 3].map((n) => [n, `out ${n}`, `err ${n}`]),
    )
  })

  test('runs by sudo where the user is not root, and only what needs it', async () => {
    const sudo = 'shift; echo "as root: $*"'
    const line = lineTo({ id: 'echo 1000', sudo })
    assert.equal(
      (await line.run(['nft', 'list'], { privileged: true })).output,
      'as root: nft list\n',
    )
    assert.equal((await line.run(['echo', 'plain'])).output, 'plain\n')
  })

  test('that sudo does not allow, or that is not there, is told with a remedy', async () => {
    const refused = lineTo({
      id: 'echo 1000',
      sudo: 'echo "sudo: a password is required" >&2; exit 1',
    })
    await assert.rejects(refused.run(['nft'], { privileged: true }), {
      code: 'no_privilege',
      remedy: /NOPASSWD: \/usr\/sbin\/nft/,
    })
    const bare = lineTo({ nft: 'exit 127' })
    await assert.rejects(bare.run(['nft'], { privileged: true }), {
      code: 'firewall_missing',
      remedy: /install the package nftables there/,
    })
    const unknown = lineTo({
      id: 'echo 1000',
      sudo: 'echo "sudo: ip6tables-save: command not found" >&2; exit 1',
    })
    await assert.rejects(unknown.run(['ip6tables-save'], { privileged: true }), {
      code: 'firewall_missing',
      remedy: /install the package iptables there/,
    })
  })
})

test('a host is written as user, name and port, and never as an option of ssh', () => {
  assert.deepEqual(readHost('root@192.0.2.10'), { user: 'root', name: '192.0.2.10', port: '22' })
  assert.deepEqual(readHost('cordon@web-01:2222'), { user: 'cordon', name: 'web-01', port: '2222' })
  assert.deepEqual(readHost('root@[2001:db8::10]:22'), {
    user: 'root',
    name: '2001:db8::10',
    port: '22',
  })
  for (const wrong of [
    '192.0.2.10',
    'root@',
    '@web',
    'root@-oProxyCommand=x',
    '-l@web',
    'root@web 01',
    'a@b:port',
  ])
    assert.throws(() => readHost(wrong), { code: 'setting_invalid' }, wrong)
})

test('each way in which there is no connection has a remedy of its own', () => {
  const to = { host: 'root@web-01', key: keyFile('none'), knownHosts: '/kh' }
  const codes = [
    'Host key verification failed.',
    '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @',
    'root@web-01: Permission denied (publickey).',
    '@ WARNING: UNPROTECTED PRIVATE KEY FILE! @ bad permissions',
    'ssh: connect to host web-01 port 22: Connection timed out',
    '',
  ].map((errors) => sshProblem(to, errors))
  assert.deepEqual(
    codes.map(({ code }) => code),
    [
      'host_untrusted',
      'host_untrusted',
      'unauthenticated',
      'setting_invalid',
      'host_unreachable',
      'host_unreachable',
    ],
  )
  for (const { remedy } of codes) assert.ok(remedy)
})

test('a key that is missing, locked or none is named as that, and not as one that the host does not know', () => {
  const wrong = {
    [join(folder, 'no-such-key')]: /cannot be read/,
    [keyFile('aes256-ctr')]: /has a passphrase/,
    [fileOf('ENCRYPTED PRIVATE KEY')]: /has a passphrase/,
    [fileOf('RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED')]: /has a passphrase/,
    [fileOf('PUBLIC KEY')]: /holds no private key/,
  }
  for (const [key, message] of Object.entries(wrong)) {
    const to = { host: 'root@web-01', key, knownHosts: '/kh' }
    const problem = sshProblem(to, 'root@web-01: Permission denied (publickey).')
    assert.equal(problem.code, 'setting_invalid')
    assert.match(problem.message, message)
  }
})

test('of a host with another key than the pinned one the key that it shows is told, in one line', () => {
  const to = { host: 'root@web-01', key: '/k', knownHosts: '/kh' }
  const frame = '@'.repeat(59)
  const warning = `${frame}\r\n@  WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @\r\n${frame}\r\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:S60Sp9kfQb4kJ1rbhIa3WstOfNb38Oopoa0IwQiSke4.\r\nHost key verification failed.`
  const { message, cause } = sshProblem(to, warning)
  assert.equal(
    message,
    'root@web-01 did not show the key that /kh holds, but SHA256:S60Sp9kfQb4kJ1rbhIa3WstOfNb38Oopoa0IwQiSke4',
  )
  assert.equal(cause, undefined)
  const none = sshProblem(to, 'No ED25519 host key is known for web-01.')
  assert.equal(none.message, '/kh holds no key of root@web-01')
})

/** The beginning of a private key as OpenSSH writes it, locked by this cipher. */
function keyFile(cipher: string): string {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(cipher.length)
  const body = Buffer.concat([Buffer.from('openssh-key-v1\0'), length, Buffer.from(cipher)])
  return fileOf(
    `OPENSSH PRIVATE KEY-----\n${body.toString('base64')}\n-----END OPENSSH PRIVATE KEY`,
  )
}

function fileOf(label: string): string {
  const path = join(folder, `key-${hosts++}`)
  writeFileSync(path, `-----BEGIN ${label}-----\n`)
  return path
}

let hosts = 0

/** A host that is this machine, reached by what says it is ssh, with these programs before its own. */
function lineTo(programs: Record<string, string>): SshLine {
  const bin = join(folder, `host-${hosts++}`)
  const script = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o700)
  }
  mkdirSync(bin)
  for (const [name, text] of Object.entries({ id: 'echo 0', ...programs })) script(name, text)
  const env = `PATH=${bin}:$PATH SSH_CONNECTION="192.0.2.1 40000 192.0.2.10 22"; export PATH SSH_CONNECTION`
  script('fake-ssh', `${env}\nfor last; do :; done\nexec sh -c "$last"`)
  const to = { host: 'root@192.0.2.10', key: '/none', knownHosts: '/none', folder: bin }
  const line = sshLine(to, join(bin, 'fake-ssh'))
  lines.push(line)
  return line
}
