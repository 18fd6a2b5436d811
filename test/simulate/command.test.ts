/** `cordon policy simulate` and `cordon policy suggest` as they are typed. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Report } from '../../actions/simulate/report.ts'
import { openService } from '../command/terminal.ts'
import { record } from '../service.ts'

const draft = `
version: 1
protect: [{ address: 10.0.0.0/8, why: ours }]
rules:
  - { name: all, because: it is a test, when: alert.severity >= 10, verdict: block, for: 1h }
`
let open: Awaited<ReturnType<typeof openService>>
let file = ''
before(async () => {
  open = await openService()
  file = join(open.folder, 'draft.yaml')
  writeFileSync(file, draft)
  const { url, adminToken } = open.service
  const answer = await fetch(`${url}/v1/alerts/webhook`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify([
      record('203.0.113.7', { severity: 20 }),
      record('203.0.113.8', { severity: 5 }),
    ]),
  })
  assert.ok(answer.ok, await answer.text())
})
after(() => open.close())

describe('cordon policy simulate', () => {
  test('tells what a draft would change, with what it is compared, and an alert to look up', async () => {
    const { code, out } = await open.type(`policy simulate --since 1d --policy ${file}`)
    assert.equal(code, 0)
    assert.match(out, /^2 alerts from .* to /)
    assert.match(
      out,
      /before: the policy in force, replayed over the same alerts; after: the draft/,
    )
    assert.match(
      out,
      /newly blocked: 1 addresses, 1 alerts\n {2}203\.0\.113\.7 {2}watch → block by "all"/,
    )
    assert.match(out, /^all +0 +1 +1 +0$/m)
    const [, id = ''] = /203\.0\.113\.7 .* (webhook-\S+)/.exec(out) ?? []
    assert.equal((await open.type(`alert show ${id}`)).code, 0)
  })

  test('without a draft compares the policy in force with what was decided then', async () => {
    const { code, out } = await open.type('policy simulate')
    assert.equal(code, 0)
    assert.match(out, /before: what was decided then; after: the policy in force, replayed/)
    assert.match(out, /newly blocked: 0 addresses/)
  })

  test('as JSON is the whole report and nothing else', async () => {
    const { out } = await open.type(`policy simulate --json --policy ${file}`)
    assert.equal(Report.parse(JSON.parse(out)).newly_blocked.addresses, 1)
  })

  test('fails on new blocks where that is asked for, and says why', async () => {
    const { code, err } = await open.type(`policy simulate --policy ${file} --fail-on new-blocks`)
    assert.equal(code, 1)
    assert.match(err, /refused: 1 addresses would be newly blocked/)
    const other = await open.type(`policy simulate --policy ${file} --fail-on protected`)
    assert.equal(other.code, 0)
  })

  test('refuses a draft that is no policy, before anything runs', async () => {
    const wrong = join(open.folder, 'wrong.yaml')
    writeFileSync(wrong, 'version: 2\n')
    const { code, err } = await open.type(`policy simulate --policy ${wrong}`)
    assert.equal(code, 1)
    assert.match(err, /^error: line 1, column/)
  })

  test('shows how far it is on a terminal, once it takes long', async () => {
    let now = Date.now()
    const { err } = await open.type('policy simulate', {
      terminal: true,
      now: () => {
        now += 800
        return now
      },
    })
    assert.match(err, /replayed \[#+\.*\] \d+%/)
  })
})

describe('cordon policy suggest', () => {
  test('says so when nothing speaks for a change', async () => {
    const { code, out } = await open.type('policy suggest')
    assert.equal(code, 0)
    assert.equal(out, 'nothing that was observed speaks for a change\n')
  })

  test('shows each with what speaks for it, its effect and its diff', async () => {
    const { url, adminToken } = open.service
    const records = Array.from({ length: 60 }, (_, n) =>
      record(`203.0.113.${100 + (n % 3)}`, { severity: 5, rule: 'dull' }),
    )
    await fetch(`${url}/v1/alerts/webhook`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(records),
    })
    const { out } = await open.type('policy suggest')
    assert.match(out, /^1\. webhook:dull is ignored\n {2}60 alerts of 3 attackers/)
    assert.match(out, /Over 62 alerts: 60 alerts ignored\./)
    assert.match(out, /^ {4}\+ +- name: ignore webhook:dull$/m)
    const { out: json } = await open.type('policy suggest --json')
    assert.equal(JSON.parse(json).suggestions[0].kind, 'ignore')
  })
})
