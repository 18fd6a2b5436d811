/** `cordon posture …` as it is typed: what it answers, for good files and wrong ones. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readEnrolmentToken } from '#contract/enrolment.ts'
import { enrolNode } from '../../actions/flow/enrol.ts'
import { makeNode } from '../service.ts'
import { openService, temporaryFolder, type } from './terminal.ts'

const folder = temporaryFolder()
after(folder.remove)

const web = `version: 1
postures:
  - for: group/web
    rules:
      - name: web
        service: { ports: [80, 443], rate: { packets: 20, per: second, burst: 40 } }
`
const closed = web.replace('    rules', '    default: drop\n    rules')
const file = (text: string) => {
  const path = join(folder.path, 'posture.yaml')
  writeFileSync(path, text)
  return path
}

describe('posture check', () => {
  test('says in sentences what a file means', async () => {
    const { code, out, err } = await type(['posture', 'check', file(web)])
    assert.deepEqual([code, err], [0, ''])
    assert.equal(
      out,
      `group/web
  1. web: tcp ports 80, 443 to the node from everywhere passes, at most 20 new connections a second of each source (40 at once), more are dropped
  2. any other new connection is left to what else filters on the node

Always passes: loopback, connections that stand, neighbour discovery, DHCP, and what each node protects: the service, its gateways and name servers, authenticated logins, its admin_networks; and for a time whom "cordon allow" lets in.
`,
    )
  })

  test('warns whoever came over SSH that he would be shut out', async () => {
    const { code, err } = await type(['posture', 'check', file(closed)], {
      environment: { SSH_CONNECTION: '203.0.113.7 50000 192.0.2.1 22' },
    })
    assert.equal(code, 0)
    assert.match(
      err,
      /^warning: group\/web: tcp port 22 would be closed for 203\.0\.113\.7, where you are: no rule/,
    )
  })

  test('looks at whom else it is told of', async () => {
    const { err } = await type(['posture', 'check', file(closed), '--from', '2001:db8::7'])
    assert.match(err, /closed for 2001:db8::7/)
  })

  test('says no to a wrong file, with its place', async () => {
    const { code, out, err } = await type(['posture', 'check', file(web.replace('ports', 'porst'))])
    assert.deepEqual([code, out], [3, ''])
    assert.match(
      err,
      /^error: line 6, column \d+: group\/web, rule "web".*unknown key "porst"; did you mean "ports"\?\nhint: /,
    )
    const json = await type(['posture', 'check', file('version: 2'), '--json'])
    assert.equal(JSON.parse(json.out).problem.code, 'posture_invalid')
  })

  test('refuses countries without a database that knows them', async () => {
    const deny = web.replace('service:', 'country: { deny: DE } #')
    const { code, err } = await type(['posture', 'check', file(deny)], {
      environment: { CORDON_PLACES_COUNTRY: '/nowhere/countries.mmdb' },
    })
    assert.equal(code, 3)
    assert.match(err, /it names DE, and there is no database of countries/)
    assert.match(err, /hint: name one with CORDON_PLACES_COUNTRY/)
  })
})

describe('posture diff, apply, show, list and remove', () => {
  let open: Awaited<ReturnType<typeof openService>>
  before(async () => {
    open = await openService()
  })
  after(() => open.close())

  test('an application shows what it changed, and the second time nothing', async () => {
    const diff = await open.type(`posture diff ${file(web)}`)
    assert.equal(
      diff.out,
      `group/web: new
+ web: tcp ports 80, 443 to the node from everywhere passes, at most 20 new connections a second of each source (40 at once), more are dropped
+ any other new connection is left to what else filters on the node
`,
    )
    const first = await open.type(`posture apply ${file(web)} --confirm 30s`)
    assert.equal(first.code, 0, first.err)
    assert.match(
      first.out,
      /group\/web is applied; a node that does not reach the service within 30 s goes back: its kernel keeps the time, even if the agent dies\n"cordon posture list" shows/,
    )
    assert.equal(
      (await open.type(`posture apply ${file(web)}`)).out,
      'group/web is in force as it is\n',
    )
    const changed = await open.type(`posture diff ${file(closed)}`)
    assert.match(changed.out, /^group\/web: changed\n- any other .*\n\+ any other .* is dropped\n$/)
    assert.match(changed.err, /^warning: group\/web: the default is drop and no service accepts/)
  })

  test('what is in force is shown, and by whom it was applied', async () => {
    const { out } = await open.type('posture show group/web')
    assert.match(out, /^group\/web\n {2}1\. web: .*\n {2}2\. .*\n {2}applied .* by token\//)
    const none = await open.type('posture show group/db')
    assert.deepEqual(
      [none.code, none.err.split('\n')[0]],
      [1, 'error: group/db has no standing rules'],
    )
    const wrong = await open.type('posture show web')
    assert.equal(wrong.code, 2)
    assert.match(wrong.err, /hint: write all, group\/web or node\/web/)
  })

  test('an audience in which there is no node is warned of: it may be misspelt', async () => {
    const { err } = await open.type(`posture diff ${file(web)}`)
    assert.match(err, /^warning: group\/web: no node is in group\/web now$/m)
  })

  test('waiting ends at once where there are no nodes', async () => {
    const { code, out } = await open.type(`posture apply ${file(closed)} --wait`)
    assert.equal(code, 0)
    assert.match(out, /group\/web has no nodes\n$/)
  })

  test('it is journalled with what changed', async () => {
    const { out } = await open.type('journal list --json')
    assert.match(out, /"posture\.apply"/)
    assert.match(out, /is dropped/)
  })

  test('what is removed is gone, and cannot be removed twice', async () => {
    const { out } = await open.type('posture remove group/web')
    assert.equal(out, 'group/web has no standing rules from now on\n')
    assert.equal((await open.type('posture show')).out, 'no audience has standing rules\n')
    assert.equal((await open.type('posture remove group/web')).code, 1)
    assert.equal((await open.type('posture list')).code, 0)
  })

  test('a time to confirm that no node can be given is refused with what can', async () => {
    const { code, err } = await open.type(`posture apply ${file(web)} --confirm 5s`)
    assert.deepEqual(
      [code, err],
      [
        2,
        'error: a node cannot be given 5s to confirm\nhint: write 10s to 10m, such as --confirm 60s\n',
      ],
    )
  })

  test('without a file the one of the settings is meant, and it is said where there is none', async () => {
    const { code, err } = await open.type('posture apply')
    assert.equal(code, 2)
    assert.match(err, /hint: name one, or set CORDON_POSTURE/)
  })
})

test('what is on trial on a node is shown, that its kernel goes back by itself, and that it did', async () => {
  const open = await openService()
  try {
    const { token } = JSON.parse((await open.type('node enrol --group web --json')).out)
    const { key } = makeNode('web-01', 'x', Date.now)
    const { secret } = readEnrolmentToken(token)
    await enrolNode(open.service.flow, { secret, name: 'web-01', key })
    await open.type(`posture apply ${file(web)}`)
    const shown = async () => (await open.type('posture show group/web')).out
    assert.doesNotMatch(await shown(), /on trial/)
    const [standing] = JSON.parse((await open.type('posture show --json')).out)
    const version = Date.parse(standing.version)
    const said = { audience: 'group/web', version, at: version, in_force: version }
    open.service.flow.postures.hear('web-01', { ...said, status: 'trying' })
    assert.match(await shown(), /on trial on web-01: the kernel there goes back by itself unless/)
    open.service.flow.postures.hear('web-01', { ...said, status: 'applied', at: version + 1 })
    assert.doesNotMatch(await shown(), /on trial/)
    assert.doesNotMatch(await shown(), /not in force/)
    const back = { ...said, at: version + 2, in_force: version - 60_000 }
    open.service.flow.postures.hear('web-01', { ...back, status: 'reverted', detail: 'no answer' })
    assert.match(
      await shown(),
      /^ {2}not in force on web-01, which says reverted; in force there: those of .*ago/m,
    )
  } finally {
    await open.close()
  }
})
