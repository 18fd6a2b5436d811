/** Transcripts of commands against a real service: what is typed, what comes back, and with which exit code. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readEnrolmentToken } from '#contract/enrolment.ts'
import { enrolNode } from '../../actions/flow/enrol.ts'
import { makeNode } from '../service.ts'
import { openService, type } from './terminal.ts'

let open: Awaited<ReturnType<typeof openService>>
before(async () => {
  open = await openService()
})
after(() => open.close())

// With a time: without one the minute of its receipt is part of what makes a record the same.
const timestamp = new Date().toISOString()
const alertOf = (attacker: string, severity: number) =>
  JSON.stringify({ attacker, rule: { id: 'r-1', name: 'seen' }, severity, timestamp })

async function json(line: string) {
  const { code, out, err } = await open.type(`${line} --json`)
  assert.equal(code, 0, err)
  return JSON.parse(out)
}

describe('an empty service', () => {
  for (const line of ['decision list', 'alert list', 'blocked list', 'node list'])
    test(`answers "${line} --json" with an empty list`, async () => {
      const { code, out } = await open.type(`${line} --json`)
      assert.deepEqual([code, out], [0, '[]\n'])
    })

  test('blocks nobody, and says so by exit code 3', async () => {
    assert.deepEqual(await open.type('why 203.0.113.99'), {
      code: 3,
      out: '203.0.113.99 is not blocked\n',
      err: '',
    })
  })
})

describe('a block by hand', () => {
  test('says truthfully that no node holds it when there is none', async () => {
    const { code, out, err } = await open.type(
      'block 203.0.113.1 --for 4h --reason "three incidents"',
    )
    assert.equal(code, 0, err)
    assert.match(
      out,
      /^d-\w{16} {2}203\.0\.113\.1 until .*\(in (4h|3h 59m)\): signed, but no node is enrolled/,
    )
  })

  test('is the reason why, with who ordered it', async () => {
    const { code, out } = await open.type('why 203.0.113.1')
    assert.equal(code, 3)
    assert.match(
      out,
      /^203\.0\.113\.1 is ordered to be blocked until .*; no kernel has confirmed it\n/,
    )
    assert.match(out, /token\/first-admin: three incidents/)
  })

  test('stands in the list of what is blocked', async () => {
    const { out } = await open.type('blocked list')
    assert.match(
      out,
      /^ADDRESS +DOES +ONLY +ENDS +NODES +HITS +LAST HIT +RULE +NOTE +DECISION\n203\.0\.113\.1 +block +- /,
    )
  })

  test('can be given a later end and never a sooner one', async () => {
    const [{ id }] = await json('decision list --target 203.0.113.1')
    const later = await open.type(`decision extend ${id} --for 2d --reason "still at it"`)
    assert.deepEqual([later.code, later.err], [0, ''])
    const sooner = await open.type(`decision extend ${id} --for 1h --reason oops`)
    assert.equal(sooner.code, 1)
    assert.match(sooner.err, /^error: .*\nhint: .*\n$/)
  })

  test('is lifted by its address', async () => {
    const { code, out } = await open.type('lift 203.0.113.1 --reason "false alarm"')
    assert.equal(code, 0)
    assert.match(out, /^1 lifted, nothing else covers it\n/)
    assert.equal((await open.type('why 203.0.113.1')).code, 3)
  })

  test('of a network with host bits says what is blocked instead', async () => {
    const { err, out } = await open.type('block 203.0.113.77/28 --for 1h --reason test')
    assert.equal(err, 'note: host bits were set; the network 203.0.113.64/28 is blocked\n')
    assert.match(out, /203\.0\.113\.64\/28/)
    const { out: why } = await open.type('why 203.0.113.65')
    assert.match(why, /203\.0\.113\.64\/28/)
  })

  test('of a protected network is refused with the way out', async () => {
    const { code, out, err } = await open.type('block 10.1.2.3 --for 1h --reason test')
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /^error: 10\.1\.2\.3 overlaps 10\.0\.0\.0\/8.*\nhint: /)
  })

  test('of everything is asked wrongly', async () => {
    const { code, err } = await open.type('block 0.0.0.0/0 --for 1h --reason test')
    assert.equal(code, 2)
    assert.match(err, /^error: 0\.0\.0\.0\/0 is wider than \/8\nhint: /)
  })

  test('for a group that no node is in is answered with the nearest and exit code 3', async (t) => {
    const other = await openService()
    t.after(other.close)
    const { token } = JSON.parse((await other.type('node enrol --group web --json')).out)
    const { key } = makeNode('web-01', 'x', Date.now)
    const { secret } = readEnrolmentToken(token)
    await enrolNode(other.service.flow, { secret, name: 'web-01', key })
    const { code, err } = await other.type(
      'block 203.0.113.3 --audience group/wep --for 1h --reason test',
    )
    assert.equal(code, 3)
    assert.match(err, /^note: there is no node in group\/wep\nhint: did you mean group\/web\?/)
  })

  test('of what is no address is asked wrongly', async () => {
    assert.equal((await open.type('block example.org --for 1h --reason test')).code, 2)
    assert.equal((await open.type('block 203.0.113.2 --for soon --reason test')).code, 2)
  })
})

describe('a value that an option does not take', () => {
  for (const [line, hint] of [
    ['decision list --state wating', 'did you mean waiting?'],
    ['token create x --scope injest', 'did you mean ingest?'],
    [
      'block 203.0.113.2 --reason x --direction sideways',
      'it takes in, out, both, forward, forward_from, forward_to',
    ],
    ['node list --color allways', 'did you mean always?'],
  ] as const)
    test(`as in "${line}" is asked wrongly, with what it takes`, async () => {
      const { code, err } = await open.type(line)
      assert.equal(code, 2)
      assert.ok(err.endsWith(`hint: ${hint}\n`), err)
    })
})

describe('alerts from a file', () => {
  test('are sent, and what was refused is said record by record', async () => {
    const file = join(open.folder, 'alerts.ndjson')
    const lines = [alertOf('203.0.113.10', 95), '{"broken":', alertOf('203.0.113.11', 75)]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const { code, out, err } = await open.type(`alert send ${file} --connector webhook`)
    assert.equal(code, 1)
    assert.equal(out, '2 stored, 0 known already, 0 that are no alerts, 1 refused\n')
    assert.match(err, /^record 2: /)
  })

  test('can be sent again without harm', async () => {
    const { code, out } = await open.type('alert send - --connector webhook', {
      stdin: alertOf('203.0.113.10', 95),
    })
    assert.deepEqual([code, out.split(',')[1]], [0, ' 1 known already'])
  })

  test('may be one JSON array over many lines', async () => {
    const stdin = JSON.stringify([JSON.parse(alertOf('203.0.113.12', 10))], null, 2)
    const { out } = await open.type('alert send - --connector webhook', { stdin })
    assert.match(out, /^1 stored/)
  })

  test('for a connector that does not run are refused with those that do', async () => {
    const { code, err } = await open.type('alert send - --connector wazu', { stdin: '{}' })
    assert.equal(code, 1)
    assert.match(err, /^error: no connector wazu takes alerts here\nhint: running are wazuh/)
  })

  test('become decisions that can be looked into', async () => {
    const [{ id }] = await json('decision list --target 203.0.113.10')
    const { code, out } = await open.type(`decision show ${id}`)
    assert.equal(code, 0)
    assert.match(out, /verdict +block\n/)
    assert.match(out, /The rule "critical alert" matched/)
    assert.match(out, /journal\n.*decision\.issue {2}policy/)
    const [{ alert }] = await json('alert list --attacker 203.0.113.10')
    assert.match((await open.type(`alert show ${alert.id}`)).out, /attacker +203\.0\.113\.10\n/)
  })

  test('that are a question wait until a person approves', async () => {
    const [{ id }] = await json('decision list --state waiting')
    const { code, out } = await open.type(`decision approve ${id} --for 2h --reason "known bad"`)
    assert.equal(code, 0)
    assert.match(out, /203\.0\.113\.11 until .*\(in (2h|1h 59m)\)/)
    const again = await open.type(`decision decline ${id} --reason "too late"`)
    assert.equal(again.code, 1)
  })
})

describe('administration', () => {
  test('a token is the whole result, so that it can be piped into a file', async () => {
    const { out, err } = await open.type('token create looker --scope read --for 1d')
    assert.match(out, /^cordon_\w+\n$/)
    assert.match(err, /looker may read; shown this once/)
    const looker = { environment: { CORDON_TOKEN: out.trim() } }
    assert.equal((await open.type('decision list', looker)).code, 0)
    const denied = await open.type('block 203.0.113.3 --for 1h --reason test', looker)
    assert.equal(denied.code, 1)
    assert.match(denied.err, /may not do this; it needs review/)
    const tokens = await json('token list')
    const { id } = tokens.find(({ name }: { name: string }) => name === 'looker')
    assert.equal((await open.type(`token revoke ${id}`)).out, `${id} is revoked\n`)
    assert.equal((await open.type('decision list', looker)).code, 1)
  })

  test('an invitation is one line to paste, and warns when no other machine could use it', async () => {
    const { out, err } = await open.type('node enrol --group web')
    assert.match(out, /^cordon agent enrol cordon_enrol_\w[\w-]+\n$/)
    assert.match(err, /no other machine reaches it/)
  })

  test('a node that is not there is named', async () => {
    const { code, err } = await open.type('node revoke nobody')
    assert.equal(code, 1)
    assert.equal(err, 'error: there is no node nobody\nhint: see "cordon node list"\n')
  })

  test('groups are never taken away by leaving them out', async () => {
    const { code, err } = await open.type('node groups web-01')
    assert.equal(code, 2)
    assert.match(err, /--none/)
  })

  test('keys rotate, and the last one signs', async () => {
    const { kid } = await json('key rotate')
    const keys = await json('key show')
    assert.equal(keys.at(-1).kid, kid)
    assert.equal(keys.length, 2)
  })

  test('policy, connectors and epochs are answered', async () => {
    assert.match((await open.type('policy show')).out, /^#?.*\n[\s\S]*version: 1\n/)
    assert.equal((await open.type('policy reload')).out, 'the policy has not changed\n')
    assert.match((await open.type('connector list')).out, /wazuh +Wazuh +POST \/v1\/alerts\/wazuh/)
    assert.equal((await json('epoch begin')).epoch, 2)
  })

  test('a key that may be stolen is retired with the old ones', async () => {
    assert.ok((await json('key show')).length > 1)
    const { code, out } = await open.type('key rotate --retire')
    assert.equal(code, 0)
    assert.match(out, /signs from now on; nodes drop the old keys/)
    assert.equal((await json('key show')).length, 1)
  })

  test('the journal is read, and verified by exit code', async () => {
    const { code, out } = await open.type('journal verify')
    assert.equal(code, 0)
    assert.match(out, /^the journal is whole: \d+ lines/)
    const lines: { action: string }[] = await json('journal list')
    assert.ok(lines.some(({ action }) => action === 'token.create'))
  })

  test('the answer about a journal with a changed line is no', async () => {
    const other = await openService()
    try {
      await other.service.flow.store.write((tx) =>
        tx.updateTable('journal').set({ actor: 'nobody' }).where('seq', '=', 1).execute(),
      )
      const { code, out } = await other.type('journal verify')
      assert.equal(code, 3)
      assert.match(out, /^the journal is broken: line 1 /)
    } finally {
      await other.close()
    }
  })
})

describe('without a service that can be trusted', () => {
  test('no token is a failure that says where one comes from', async () => {
    const { code, err } = await type(['decision', 'list'])
    assert.equal(code, 1)
    assert.match(err, /^error: no token is set\nhint: export CORDON_TOKEN=/)
  })

  test('the token may be in a file', async () => {
    const file = join(open.folder, 'token')
    writeFileSync(file, `${open.service.adminToken}\n`)
    const environment = { CORDON_TOKEN: '', CORDON_TOKEN_FILE: file }
    assert.equal((await open.type('decision list', { environment })).code, 0)
  })

  test('a token never goes over plain HTTP to another machine', async () => {
    const environment = { CORDON_URL: 'http://192.0.2.1:8055' }
    const { code, err } = await open.type('decision list', { environment })
    assert.equal(code, 2)
    assert.match(err, /in the clear/)
  })

  test('a service that does not answer is named', async () => {
    const environment = { CORDON_URL: 'http://127.0.0.1:1' }
    const { code, err } = await open.type('decision list', { environment })
    assert.equal(code, 1)
    assert.match(
      err,
      /^error: cannot reach the service at http:\/\/127\.0\.0\.1:1: nothing listens there\nhint: /,
    )
  })

  test('a service that is asked over TLS and speaks none is named so, with the right address', async () => {
    const environment = { CORDON_URL: open.service.url.replace('http:', 'https:') }
    const { code, err } = await open.type('decision list', { environment })
    assert.equal(code, 1)
    assert.match(err, /does not speak TLS\nhint: .*http:\/\/127\.0\.0\.1:\d+\n/)
  })

  test('what there is none of is said to be none, with what would make one', async () => {
    assert.match((await open.type('feed list')).out, /^no list is enforced .*enforce: true/)
    assert.match((await open.type('notice list')).out, /^nobody is told anything: .*email/)
  })
})
