/** Proposed changes of the policy: diffs that people apply, with everything they wrote left as it is. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { applyPatch } from 'diff'
import { readPolicy } from '../../actions/decide/policy.ts'
import { withProtected, withRuleBefore, withVerdict } from '../../actions/decide/propose.ts'
import { defaultPolicyFile } from '../../actions/policy-in-force.ts'
import { temporaryFolder } from '../command/terminal.ts'
import { openTestService, type TestService } from '../service.ts'
import { ask, judge, open, queue, read, say, told } from './stage.ts'

const written = `# ours
version: 1
protect:
  - 10.0.0.0/8   # inside

rules:
  # Our own scanner
  - name: own
    because: "it is ours"   # ask Ben
    when: alert.rule.id == "own"
    verdict: ignore

  # Doubtful things
  - name: doubtful
    because: it is in doubt
    when: alert.severity >= 40
    verdict: review   # a person looks
    for: 2h
    audience: [group/web]
`

async function proposed(service: TestService, id: string, body: object) {
  const answer = await say(service, `/v1/review/${id}/always`, body)
  assert.equal(answer.status, 201, answer.text)
  return read(answer).proposal ?? assert.fail('no proposal')
}

describe('always, for the rule that asked,', () => {
  test('is a diff of one word, and the question still waits', async (t) => {
    const service = await open(t, { policy: written })
    const id = await ask(service, '203.0.113.9')
    const { diff, state, summary } = await proposed(service, id, {})
    const changed = diff.split('\n').filter((line) => /^[+-][^+-]/.test(line))
    assert.deepEqual(changed, [
      '-    verdict: review   # a person looks',
      '+    verdict: block   # a person looks',
    ])
    assert.deepEqual([state, summary], ['open', 'the rule "doubtful" blocks without asking'])
    assert.equal((await queue(service)).waiting, 1)
  })

  test('changes nothing by itself, and is applied once people have put it into the policy', async (t) => {
    const service = await open(t, { policy: written })
    const id = await ask(service, '203.0.113.9')
    const { id: proposal, diff } = await proposed(service, id, {})
    assert.equal(await judge(service, '203.0.113.8', { severity: 50 }), 'review')
    service.setPolicy(applyPatch(written, diff) || assert.fail('it does not apply'))
    assert.equal(await judge(service, '203.0.113.7', { severity: 50 }), 'block')
    const shown = read(await service.ask('GET', `/v1/policy/proposals/${proposal}`))
    assert.equal(shown.proposal?.state, 'applied')
  })

  test('names the tests of the policy that it breaks', async (t) => {
    const policy = `${written}
tests:
  - name: doubt is asked about
    alert: { rule: { severity: 50 }, attacker: 203.0.113.9 }
    expect: { verdict: review }
`
    const service = await open(t, { policy })
    const { failing } = await proposed(service, await ask(service, '203.0.113.9'), {})
    assert.deepEqual(failing, ['doubt is asked about'])
  })

  test('is refused where the rule blocks already, or is gone', async (t) => {
    const service = await open(t, { policy: written })
    const id = await ask(service, '203.0.113.9')
    service.setPolicy(written.replace('verdict: review', 'verdict: block'))
    assert.match(
      (await say(service, `/v1/review/${id}/always`)).body.detail ?? '',
      /says block already/,
    )
    service.setPolicy(written.replace('name: doubtful', 'name: other'))
    const gone = await say(service, `/v1/review/${id}/always`)
    assert.equal(gone.body.detail, 'the policy has no rule "doubtful" any more')
    const { body } = await say(service, '/v1/decisions', { target: '203.0.113.1', for: '1h' })
    const manual = await say(service, `/v1/review/${body.decision?.id}/always`)
    assert.equal(manual.body.code, 'conflict')
  })
})

describe('always, for the signature,', () => {
  test('is a rule of its own before the one that asked, with its terms', async (t) => {
    const service = await open(t, { policy: written })
    const id = await ask(service, '203.0.113.9', { rule: 'scan"x' })
    const { diff } = await proposed(service, id, { change: 'signature', reason: 'always bad: #1' })
    const next = applyPatch(written, diff) || assert.fail('it does not apply')
    assert.deepEqual(
      readPolicy(next).rules.map(({ name }) => name),
      ['own', 'always block webhook:scan"x', 'doubtful'],
    )
    service.setPolicy(next)
    assert.equal(await judge(service, '203.0.113.8', { rule: 'scan"x', severity: 50 }), 'block')
    assert.equal(await judge(service, '203.0.113.7', { rule: 'scan', severity: 50 }), 'review')
    const { body } = await service.ask('GET', '/v1/decisions?target=203.0.113.8')
    assert.deepEqual(
      [body.decisions[0]?.length_s, body.decisions[0]?.audience],
      [7_200, ['group/web']],
    )
  })

  test('is shown without anything hidden, and means the same', async (t) => {
    const service = await open(t, { policy: written })
    const rule = 'odd\u001b[31m\u202e\u00e9\u{1f600}'
    const id = await ask(service, '203.0.113.9', { rule })
    const { diff } = await proposed(service, id, {
      change: 'signature',
      reason: 'r\u001b'.repeat(200),
    })
    assert.doesNotMatch(diff, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    service.setPolicy(applyPatch(written, diff) || assert.fail('it does not apply'))
    assert.equal(await judge(service, '203.0.113.8', { rule, severity: 50 }), 'block')
  })

  test('may be to ignore it', async (t) => {
    const service = await open(t, { policy: written })
    const id = await ask(service, '203.0.113.9', { rule: 'noise' })
    const wanted = { change: 'signature', verdict: 'ignore' }
    const { diff } = await proposed(service, id, wanted)
    service.setPolicy(applyPatch(written, diff) || assert.fail('it does not apply'))
    assert.equal(await judge(service, '203.0.113.8', { rule: 'noise', severity: 50 }), 'ignore')
    const wrong = await say(service, `/v1/review/${id}/always`, {
      change: 'rule',
      verdict: 'ignore',
    })
    assert.equal(wrong.body.code, 'invalid_input')
  })
})

describe('a proposal', () => {
  test('is taken by git and by patch', async (t) => {
    const service = await open(t, { policy: written })
    const id = await ask(service, '203.0.113.9')
    const { diff } = await proposed(service, id, {})
    const { path, remove } = temporaryFolder()
    t.after(remove)
    const file = join(path, 'policy.yaml')
    writeFileSync(join(path, 'change.patch'), diff)
    for (const [program, ...args] of [
      ['git', 'apply', 'change.patch'],
      ['patch', '-p1', '-i', 'change.patch'],
    ] as const) {
      writeFileSync(file, written)
      try {
        execFileSync(program, args, { cwd: path, stdio: 'pipe' })
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue
        throw error
      }
      assert.equal(readFileSync(file, 'utf8'), written.replace('verdict: review', 'verdict: block'))
    }
  })

  test('that fits the policy no more is said to be stale', async (t) => {
    const service = await open(t, { policy: written })
    const { id } = await proposed(service, await ask(service, '203.0.113.9'), {})
    service.setPolicy(
      written
        .replace('verdict: review   # a person looks', 'verdict: watch')
        .replace('    for: 2h\n    audience: [group/web]\n', ''),
    )
    const { proposals } = read(await service.ask('GET', '/v1/policy/proposals'))
    assert.deepEqual(
      proposals.map((proposal) => [proposal.id, proposal.state]),
      [[id, 'stale']],
    )
  })

  test('is withdrawn by a person or with undo, and each step is in the journal', async (t) => {
    const service = await open(t, { policy: written })
    const decision = await ask(service, '203.0.113.9')
    const { id } = await proposed(service, decision, {})
    assert.equal((await say(service, `/v1/policy/proposals/${id}/withdraw`)).status, 200)
    assert.equal((await say(service, `/v1/policy/proposals/${id}/withdraw`)).body.code, 'not_found')
    assert.deepEqual(await told(service, id), [
      'token/test-admin policy.propose',
      'token/test-admin policy.withdraw',
    ])
    const again = await proposed(service, decision, {})
    assert.equal((await say(service, `/v1/review/${decision}/undo`)).status, 200)
    assert.equal((await service.ask('GET', `/v1/policy/proposals/${again.id}`)).status, 404)
    assert.equal((await queue(service)).waiting, 1)
  })

  test('does not make the service think that its policy was changed', async (t) => {
    const service = await openTestService({ policy: written })
    t.after(() => service.close())
    await proposed(service, await ask(service, '203.0.113.9'), {})
    assert.deepEqual(await told(service, 'policy'), [])
  })
})

describe('an edited policy', () => {
  test('keeps every other line as it was written', () => {
    const text = readFileSync(defaultPolicyFile, 'utf8')
    const rule = { name: 'new', because: 'x', when: 'true', verdict: 'ignore' }
    for (const [next, added, gone] of [
      [withVerdict(text, 'high alert', 'block'), 1, 1],
      [withRuleBefore(text, 'high alert', rule), 5, 0],
      [withProtected(text, '2001:db8::/64', 'a "partner": ours'), 1, 0],
    ] as const) {
      const [before, after] = [text.split('\n'), next.split('\n')]
      assert.equal(before.filter((line) => !after.includes(line)).length <= gone, true)
      assert.equal(after.length - before.length, added - gone)
    }
  })

  const ways: [what: string, text: string][] = [
    ['no list of what it protects', 'version: 1\n# the rules\nrules:\n'],
    ['a list in brackets', 'version: 1\nprotect: [10.0.0.0/8]\nrules:\n'],
    ['an empty list in brackets', 'version: 1\nprotect: []\nrules:\n'],
    ['a list in brackets over lines', 'version: 1\nprotect: [\n  10.0.0.0/8,\n]\nrules:\n'],
    [
      'entries over lines',
      'version: 1\nprotect:\n- address: 10.0.0.0/8\n  why: ours\n# end\nrules:\n',
    ],
    ['lines that end as on Windows', 'version: 1\r\nprotect:\r\n  - 10.0.0.0/8\r\nrules:\r\n'],
    ['nothing after its list', 'version: 1\nrules: []\nprotect:\n  - 10.0.0.0/8'],
  ]
  for (const [what, text] of ways)
    test(`with ${what} protects one network more`, () => {
      const rule = '  - { name: a, because: b, when: "true", verdict: review, for: 1h }\n'
      const whole = text.includes('rules: []') ? text : text + rule
      const next = readPolicy(withProtected(whole, '203.0.113.0/24', 'a partner'))
      const last = next.protect.at(-1)
      assert.deepEqual([last?.address.text, last?.why], ['203.0.113.0/24', 'a partner'])
      assert.equal(next.protect.length, readPolicy(whole).protect.length + 1)
    })
})
