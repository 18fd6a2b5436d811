/** Explaining records without a service: on every connector's samples, and stage by stage. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectorNames, importConnector } from '../../actions/load-connectors.ts'
import { root, temporaryFolder, type } from './terminal.ts'

const folder = temporaryFolder()
after(folder.remove)

const readers: string[] = []
for (const name of connectorNames()) if ((await importConnector(name)).read) readers.push(name)

for (const name of readers)
  for (const file of samplesOf(name))
    test(`${name}'s sample ${file.replace(/.*\//, '')} is explained to its verdicts`, async () => {
      const { code, out, err } = await type([
        'alert',
        'explain',
        file,
        '--connector',
        name,
        '--json',
      ])
      assert.equal(code, 0, err)
      const explained = JSON.parse(out)
      assert.ok(explained.length > 0)
      for (const { connector, alerts } of explained) {
        assert.equal(connector, name)
        for (const { verdict, sentences } of alerts) {
          assert.match(verdict.outcome, /^(block|review|watch|ignore)$/)
          assert.ok(sentences.length > 1, 'a verdict has reasons')
        }
      }
    })

for (const verb of ['explain', 'send --connector webhook'])
  for (const [what, path] of [
    ['is not there', join(folder.path, 'nofile')],
    ['is a folder', folder.path],
  ] as const)
    test(`"alert ${verb}" of a file that ${what} says which file cannot be read`, async () => {
      const environment = { CORDON_TOKEN: 'x', CORDON_URL: 'http://127.0.0.1:1' }
      const { code, err } = await type(['alert', ...verb.split(' '), path], { environment })
      assert.equal(code, 1)
      assert.equal(err.split('\n')[0], `error: cannot read ${path}`)
      assert.match(err, /\nhint: check the path/)
    })

describe('without a named connector', () => {
  for (const [name, file] of [
    ['wazuh', 'connectors/wazuh/sample/sshd.in.log'],
    ['wazuh', 'connectors/wazuh/sample/suricata.in.log'],
    ['suricata', 'connectors/suricata/sample/direction.in.log'],
    ['suricata', 'connectors/suricata/sample/fast.in.log'],
    ['webhook', 'connectors/webhook/sample/plain.in.json'],
    ['webhook', 'connectors/webhook/sample/elastic-common-schema.in.json'],
  ] as const)
    test(`${file} is known as ${name}`, async () => {
      const { out } = await type(['alert', 'explain', at(file), '--json'])
      assert.deepEqual([...new Set(JSON.parse(out).map(connectorOf))], [name])
    })

  test('records of nobody are refused with the connectors that could be named', async () => {
    const { code, err } = await type(['alert', 'explain', '-'], { stdin: 'nonsense\n' })
    assert.equal(code, 2)
    assert.match(
      err,
      /no connector understands these records\nhint: .*--connector \S*suricata\|\S*wazuh/,
    )
  })
})

const brute = JSON.stringify({
  timestamp: '2026-03-01T03:00:00.000+0000',
  id: '1772334000.1',
  rule: { id: '5763', level: 10, description: 'brute force', groups: ['authentication_failures'] },
  agent: { id: '007', name: 'web-01' },
  data: { srcip: '203.0.113.7', dstuser: 'root' },
})

test('the stages lead from the record to the rule that decides, with why those before it do not', async () => {
  const now = () => Date.parse('2026-03-01T03:10:00Z')
  const { code, out } = await type(['alert', 'explain', '-'], { stdin: brute, now })
  assert.equal(code, 0)
  const lines = out.split('\n').map((line) => line.trim())
  assert.ok(lines.includes('attacker  203.0.113.7'))
  assert.ok(
    lines.some((line) => /^no {3}own blocks read back +not: "active_response" in/.test(line)),
  )
  assert.ok(lines.includes('yes  brute force'))
  assert.ok(lines.includes('verdict  Block 203.0.113.7 for 4h, coming in, on all.'))
  assert.ok(!out.includes('too old'))
})

test('an old record is judged as when it was seen, and says that it is too old now', async () => {
  const now = () => Date.parse('2026-03-03T03:00:00Z')
  const seen = await type(['alert', 'explain', '-'], { stdin: brute, now })
  assert.match(seen.out, /Block 203\.0\.113\.7 for 4h[\s\S]*it is 2d old, too old for a block/)
  const late = await type(['alert', 'explain', '-', '--now', 'now'], { stdin: brute, now })
  assert.match(late.out, /verdict {2}Watch\.[\s\S]*nothing is blocked/)
})

test('alerts of one file see those before them', async () => {
  const failed = (n: number) =>
    JSON.stringify({
      timestamp: `2026-03-01T03:00:${String(n).padStart(2, '0')}.000+0000`,
      id: `1772334000.${n}`,
      rule: { id: '5760', level: 5, description: 'failed', groups: ['authentication_failed'] },
      data: { srcip: '203.0.113.7' },
    })
  const stdin = Array.from({ length: 10 }, (_, n) => failed(n)).join('\n')
  const { out } = await type(['alert', 'explain', '-', '--json'], { stdin })
  const outcomes = JSON.parse(out).map(outcomeOf)
  assert.deepEqual(outcomes, [...Array(9).fill('watch'), 'block'])
})

test('a record that is broken is said so, and the others are explained', async () => {
  const { code, out } = await type(['alert', 'explain', '-', '--connector', 'wazuh'], {
    stdin: `${brute}\n{"rule":\n${brute}`,
  })
  assert.equal(code, 1)
  assert.match(out, /record 2\n {2}read {5}not understood by wazuh: /)
  assert.equal(out.match(/yes {2}brute force/g)?.length, 2)
})

test('text that an attacker chose is shown without its control characters', async () => {
  const record = brute.replace('"root"', '"ro\\u001b[31mot\\u202e"')
  const { out } = await type(['alert', 'explain', '-'], { stdin: record })
  assert.ok(!out.includes('\u001b') && !out.includes('\u202e'))
  assert.match(out, /user {6}ro\\u\{1b\}/)
})

test('a policy of your own decides', async () => {
  const policy = join(folder.path, 'policy.yaml')
  writeFileSync(
    policy,
    'version: 1\nrules: [{ name: mine, because: I say so, when: "true", verdict: ignore }]\n',
  )
  const { out } = await type(['alert', 'explain', '-', '--policy', policy], { stdin: brute })
  assert.match(out, /yes {2}mine\n {2}verdict {2}Ignore\./)
})

test('a rule whose peer is of the other family is said to be passed over for that', async () => {
  const policy = join(folder.path, 'peers.yaml')
  const rule = (name: string, peer: string) =>
    `  - { name: ${name}, because: so it is, when: "true", verdict: block, for: 1h, direction: forward_from, scope: { peer: "${peer}" } }\n`
  writeFileSync(
    policy,
    `version: 1\nrules:\n${rule('six', '2001:db8::1')}${rule('four', '192.0.2.10')}`,
  )
  const { out } = await type(['alert', 'explain', '-', '--policy', policy], { stdin: brute })
  assert.match(out, /no {3}six {2}not: an attacker of IPv6, as its peer 2001:db8::1 is\n/)
  assert.match(
    out,
    /verdict {2}Block 203\.0\.113\.7 for 1h, passing through from it, only to 192\.0\.2\.10, on all\.\n/,
  )
})

test('a file that is not there is a failure, a time that is none is asked wrongly', async () => {
  assert.equal((await type(['alert', 'explain', join(folder.path, 'none')])).code, 1)
  const wrong = await type(['alert', 'explain', '-', '--now', 'noon'], { stdin: brute })
  assert.equal(wrong.code, 2)
})

function samplesOf(name: string): string[] {
  const sample = at(`connectors/${name}/sample/`)
  if (!existsSync(sample)) return []
  return readdirSync(sample)
    .filter((file) => /\.in\.(json|log)$/.test(file))
    .filter((file) => !existsSync(join(sample, file.replace(/\.in\.\w+$/, '.settings.json'))))
    .map((file) => join(sample, file))
}

function at(path: string): string {
  return fileURLToPath(new URL(path, root))
}

function connectorOf({ connector }: { connector: string }): string {
  return connector
}

function outcomeOf({ alerts }: { alerts: { verdict: { outcome: string } }[] }) {
  return alerts[0]?.verdict.outcome
}
