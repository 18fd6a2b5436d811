/** The review queue as a person types it at night. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { pino } from 'pino'
import { startService } from '../../actions/service.ts'
import { ServiceSettings } from '../../actions/settings.ts'
import { openService, temporaryFolder, type, words } from '../command/terminal.ts'

type Open = Awaited<ReturnType<typeof openService>>

describe('cordon review', () => {
  let open: Open
  before(async () => {
    open = await openService()
  })
  after(() => open.close())
  // Each test finds an empty queue.
  beforeEach(async () => {
    await open.type('review decline --all --yes --reason "next test"')
  })

  let sent = 0
  /** A record that the default policy asks about. Returns the id of the decision. */
  async function ask(attacker: string, rule = 'odd'): Promise<string> {
    const record = { id: `c${++sent}`, attacker, rule, severity: 75 }
    await open.type('alert send - --connector webhook', { stdin: JSON.stringify(record) })
    const { out } = await open.type(`review list --target ${attacker} --json`)
    return /d-[0-9a-z]{16}/.exec(out)?.[0] ?? assert.fail(out)
  }

  test('lists what waits, and says when nothing does', async () => {
    assert.equal((await open.type('review list')).out, 'nothing waits\n')
    const id = await ask('203.0.113.10')
    const { code, out } = await open.type('review list')
    assert.equal(code, 0)
    assert.match(out, new RegExp(`^ID .*\n${id} .* 203\\.0\\.113\\.10 +high alert +1 +a person\n$`))
    const [question] = JSON.parse((await open.type('review list --json')).out).questions
    assert.equal(question.decision.id, id)
  })

  test('shows one with what would be done, why, the evidence, the time-out, and how to answer', async () => {
    const id = await ask('203.0.113.11')
    const { out } = await open.type(`review show ${id}`)
    assert.match(out, /question +Block 203\.0\.113\.11 for 4h, coming in, on all\./)
    assert.match(out, /then +If nobody answers within .*, it is declined\./)
    assert.match(out, /The rule "high alert" matched/)
    assert.match(out, /webhook-[0-9a-f]{24}/)
    assert.match(out, new RegExp(`cordon review approve ${id} --reason`))
  })

  test('approves one with another length, and undo takes it back', async () => {
    const id = await ask('203.0.113.12')
    const { code, out } = await open.type(`review approve ${id} --for 30m --reason known`)
    assert.equal(code, 0)
    assert.match(out, /203\.0\.113\.12 until .*\(in (29m|30m)/)
    const undone = await open.type(`review undo ${id} --reason "wrong line"`)
    assert.equal(undone.code, 0)
    assert.match(undone.out, /^decision\.approve of token\/\S+ is taken back\n.*waits for a person/)
  })

  test('"decision approve" and "decision decline" work as ever', async () => {
    const ids = [await ask('203.0.113.13'), await ask('203.0.113.14')]
    assert.equal((await open.type(`decision approve ${ids[0]} --reason known`)).code, 0)
    assert.match((await open.type(`decision decline ${ids[1]} --reason ours`)).out, /declined/)
  })

  test('shows what a filter finds before anything is done, and does it with --yes', async () => {
    const near = await ask('203.0.113.15')
    const far = await ask('198.51.100.15')
    const preview = await open.type('review decline --target 203.0.113.0/24 --reason test')
    assert.equal(preview.code, 3)
    assert.ok(preview.out.includes(near) && !preview.out.includes(far), preview.out)
    assert.equal(preview.err, 'hint: nothing was done; add --yes to do it\n')
    const done = await open.type('review decline --target 203.0.113.0/24 --yes --reason test')
    assert.equal(done.code, 0)
    assert.match(done.out, /1 answered\n$/)
    const left = JSON.parse((await open.type('review list --json')).out)
    assert.deepEqual([left.waiting, left.questions[0].decision.id], [1, far])
  })

  test('of several ids says what became of each', async () => {
    const id = await ask('203.0.113.16')
    const { code, out } = await open.type(`review approve ${id} d-0000000000000000 --reason known`)
    assert.equal(code, 3)
    assert.match(out, new RegExp(`${id} +done +203\\.0\\.113\\.16`))
    assert.match(out, /d-0000000000000000 +refused +- +there is no decision/)
  })

  test('without ids and filter, or with both, is asked wrongly', async () => {
    for (const line of ['review approve --reason x', 'review decline d-1 --all --reason x']) {
      const { code, err } = await open.type(line)
      assert.equal(code, 2, line)
      assert.match(err, /name ids, or a filter, one of them/)
    }
  })

  test('ignores for a time, lists it, and ends it', async () => {
    const id = await ask('203.0.113.17')
    const ignored = await open.type(`review ignore ${id} --for 7d --reason "a scan of ours"`)
    assert.equal(ignored.code, 0, ignored.err)
    const { out } = await open.type('ignored list')
    assert.match(out, /203\.0\.113\.17 +anything +in (1w|6d 23h) .*a scan of ours/)
    const entry = /i-[0-9a-z]{16}/.exec(out)?.[0]
    assert.equal((await open.type(`ignored end ${entry} --reason over`)).code, 0)
    assert.equal((await open.type('ignored list')).out, 'nothing is ignored\n')
  })

  test('protects the target, and says what was lifted', async () => {
    const id = await ask('203.0.113.18')
    await open.type('block 203.0.113.18 --for 1h --reason test')
    const { code, out, err } = await open.type(`review protect ${id} --reason "a customer"`)
    assert.equal(code, 0)
    assert.match(out, /^203\.0\.113\.18 is protected; 1 block lifted, 1 question declined\n/)
    assert.match(err, /note: proposed as p-[0-9a-z]{16}; the policy is yours to change/)
    assert.match((await open.type('sheltered list')).out, /203\.0\.113\.18 .*a customer/)
    const blocked = await open.type('block 203.0.113.18 --for 1h --reason test')
    assert.match(blocked.err, /is protected: a customer/)
    await open.type('sheltered end 203.0.113.18 --reason over')
  })

  test('proposes a change of the policy, whose diff can be piped into git', async () => {
    const id = await ask('203.0.113.19')
    const { code, out, err } = await open.type(`review always ${id} --reason "never anything else"`)
    assert.equal(code, 0)
    assert.match(out, /^--- a\/policy\.yaml\n\+\+\+ b\/policy\.yaml\n@@/)
    assert.match(err, /change these tests of the policy too: a high alert of unknown kind/)
    const proposal = /p-[0-9a-z]{16}/.exec(err)?.[0]
    assert.match((await open.type('policy proposals')).out, new RegExp(`${proposal} .* open`))
    assert.equal((await open.type(`policy proposals ${proposal}`)).out, out)
    assert.equal((await open.type(`policy withdraw ${proposal} --reason x`)).code, 0)
    assert.equal((await open.type(`policy proposals ${proposal}`)).code, 1)
  })

  test('without a reason is asked wrongly', async () => {
    const { code, err } = await type(['review', 'undo', 'd-1'])
    assert.equal(code, 2)
    assert.match(err, /--reason is missing/)
  })
})

test('a wide block is said to wait for a second person, who approves it with a token of an own', async (t) => {
  const folder = temporaryFolder()
  t.after(folder.remove)
  const policy = join(folder.path, 'policy.yaml')
  writeFileSync(
    policy,
    'version: 1\nreview: { second_approver: { ipv4_prefix: 28, ipv6_prefix: 56 } }\nrules: []\n',
  )
  const service = await startService(
    ServiceSettings.parse({ listen: '127.0.0.1:0', data_dir: join(folder.path, 'data'), policy }),
    {
      log: pino({ level: 'silent' }),
      environment: {},
      connectorSections: {},
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    },
  )
  t.after(service.stop)
  const as = (token: string) => (line: string) =>
    type(words(line), { environment: { CORDON_URL: service.url, CORDON_TOKEN: token } })
  const anna = as(service.adminToken ?? '')
  const made = await anna('token create ben --scope review')
  const ben = as(made.out.trim())
  const asked = await anna('block 203.0.113.0/24 --for 1h --reason "seen everywhere"')
  assert.equal(asked.code, 3)
  assert.match(asked.err, /203\.0\.113\.0\/24 is so wide that a second person/)
  const id = /d-[0-9a-z]{16}/.exec(asked.out)?.[0]
  const again = await anna(`review approve ${id} --reason "seen everywhere"`)
  assert.equal(again.code, 1)
  assert.match(again.err, /^error: token\/\S+ has approved .* already; .* needs two\nhint: another/)
  assert.match((await ben('review list')).out, /a second person, after token\//)
  assert.equal((await ben(`review approve ${id} --reason "so it is"`)).code, 0)
  assert.match((await ben('blocked list')).out, /203\.0\.113\.0\/24/)
})
