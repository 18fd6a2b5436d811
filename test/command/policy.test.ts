/** `cordon policy check|test` on files of every quality. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { root, temporaryFolder, type } from './terminal.ts'

const folder = temporaryFolder()
after(folder.remove)

function policy(text: string): string {
  const file = join(folder.path, 'policy.yaml')
  writeFileSync(file, text)
  return file
}

const rule =
  '{ name: mine, because: I say so, when: alert.severity >= 70, verdict: block, for: 1h }'
const failing = `version: 1
rules: [${rule}]
tests:
  - name: it watches
    alert: { rule: { severity: 80 }, attacker: 203.0.113.7 }
    expect: { verdict: watch }
`

test('the default policy is good', async () => {
  const file = fileURLToPath(new URL('actions/default-policy.yaml', root))
  const { code, out, err } = await type(['policy', 'check', file])
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /is good: \d+ rules, \d+ tests pass\n$/)
})

test('a policy that leaves private networks open is good, and says which', async () => {
  const protect =
    'protect: [{ address: 10.0.0.0/8, why: ours }, { address: "fc00::/6", why: ours }]'
  const file = policy(`version: 1\n${protect}\nrules: [${rule}]\n`)
  const { code, err } = await type(['policy', 'check', file])
  assert.equal(code, 0)
  assert.equal(err, 'note: private and not in protect: 172.16.0.0/12, 192.168.0.0/16\n')
})

test('the answer to a broken policy is no, with the place and what to write instead', async () => {
  const file = policy(`version: 1\nrules:\n  - ${rule.replace('severity', 'severty')}\n`)
  const { code, out, err } = await type(['policy', 'check', file])
  assert.equal(code, 3)
  assert.equal(out, '')
  assert.match(err, /^error: line 3, .*severty.*\nhint: .*severity/)
  const json = JSON.parse((await type(['policy', 'check', file, '--json'])).out)
  assert.equal(json.good, false)
  assert.equal(json.problem.code, 'policy_invalid')
})

test('text that is no YAML is no policy', async () => {
  assert.equal((await type(['policy', 'check', policy('rules: [')])).code, 3)
})

test('a policy whose own test fails is refused, as the service would refuse it', async () => {
  const { code, out } = await type(['policy', 'check', policy(failing)])
  assert.equal(code, 3)
  assert.match(out, /1 of 1 tests fail/)
})

test('testing shows what was wanted beside what came', async () => {
  const { code, out, err } = await type(['policy', 'test', policy(failing)])
  assert.equal(code, 3)
  assert.match(out, /^fails it watches\n +wanted watch\n +got {4}block\n$/)
  assert.equal(err, '0 of 1 tests pass\n')
})

test('a file that cannot be read is a failure, not a no', async () => {
  const { code, err } = await type(['policy', 'check', join(folder.path, 'none.yaml')])
  assert.equal(code, 1)
  assert.match(err, /^error: cannot read the policy file/)
})

test('a policy without tests has an empty list of results', async () => {
  const file = policy(`version: 1\nrules: [${rule}]\n`)
  assert.equal((await type(['policy', 'test', file, '--json'])).out, '[]\n')
})
