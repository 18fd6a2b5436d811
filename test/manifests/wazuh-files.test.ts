/** What else goes into Wazuh: fragments, rules and decoders that it can load, and that can start no loop. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { outcomeOf } from '../../actions/export/meaning.ts'
import { readManifest } from '../../actions/manifest/read-manifests.ts'
import { connector } from '../../connectors/wazuh/connector.ts'
import { folder } from './wazuh-host.ts'

const { file, readme } = readManifest('wazuh')
const text = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const xml = readdirSync(folder).filter((name) => name.endsWith('.xml'))
const scripts = ['cordon-block', 'cordon-deliver', 'custom-cordon']
const rules = [
  ...text('cordon_rules.xml').matchAll(/<rule id="(\d+)" level="(\d+)">([\s\S]*?)<\/rule>/g),
].map(([, id = '', level = '', body = '']) => ({ id, level: Number(level), body }))

describe('the files of XML', () => {
  const probe = spawnSync('python3', ['-c', 'import xml.dom.minidom'])
  const skip = probe.status === 0 ? false : 'there is no python3 to read XML'
  for (const name of xml)
    test(`${name} is well-formed inside its file`, { skip }, () => {
      const program = 'import sys, xml.dom.minidom; xml.dom.minidom.parseString(sys.stdin.read())'
      const ran = spawnSync('python3', ['-c', program], {
        input: `<root>${text(name)}</root>`,
        encoding: 'utf8',
      })
      assert.equal(ran.status, 0, ran.stderr)
    })
})

describe('the rules', () => {
  test('have ids of their own in the range of local rules', () => {
    assert.ok(rules.length > 5)
    assert.equal(rules.length, text('cordon_rules.xml').match(/<rule /g)?.length, 'all were read')
    assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length)
    for (const { id } of rules) assert.ok(Number(id) >= 100_000 && Number(id) <= 120_000, id)
  })

  test('can start no active response: no_ar, no srcip, no group of attacks', () => {
    for (const { id, body } of rules) {
      assert.match(body, /<options>no_ar<\/options>/, id)
      assert.doesNotMatch(body, /srcip|same_source|attack|authentication|web|ids/, id)
      for (const [, groups = ''] of body.matchAll(/<group>(.*?)<\/group>/g))
        assert.match(groups, /,$/)
    }
  })

  test('stand on rules that are there', () => {
    const ids = rules.map(({ id }) => id)
    for (const { id, body } of rules) {
      const parent = /<if_sid>(\d+)<\/if_sid>/.exec(body)?.[1]
      assert.ok(parent === undefined ? body.includes('<decoded_as>') : ids.includes(parent), id)
    }
  })

  test('say blocked of blocks only: of a limit and of what may pass they say that', () => {
    const said = rules.filter(({ body }) =>
      /<description>.*\bblock(s|ed)\b.*<\/description>/.test(body),
    )
    const told = said.filter(({ id, level }) => Number(id) < 110_840 && level === 3)
    assert.ok(told.length > 2)
    for (const { id } of told) {
      const child = rules.find(({ body }) => body.includes(`<if_sid>${id}</if_sid>`))
      assert.match(child?.body ?? '', /cordon\.decision\.action">\^limit\$\|\^allow\$/, id)
    }
  })

  test('know every trouble that the service tells of: none of them is of the lowest level', () => {
    const meaning = new URL('../../actions/export/meaning.ts', import.meta.url)
    const named = [...readFileSync(meaning, 'utf8').matchAll(/'(\w+\.\w+)'/g)]
    const troubles = named
      .map(([, action = '']) => action)
      .filter((action) => outcomeOf(action) === 'failure')
    assert.ok(troubles.length > 10)
    const loud = rules.filter(({ level }) => level === 8).map(({ body }) => body)
    for (const action of troubles)
      assert.ok(
        loud.some((body) => new RegExp(`[>|]\\^${action}\\$[|<]`).test(body)),
        action,
      )
  })

  test('tell a question and a block whichever way it came about', () => {
    const ruleOf = (action: string) => rules.find(({ body }) => body.includes(`^${action}$`))?.id
    for (const action of ['decision.wait', 'decision.second', 'decision.halt'])
      assert.equal(outcomeOf(action) === 'unknown' && ruleOf(action), '110804', action)
    for (const action of ['issue', 'approve', 'confirm', 'rollout', 'timeout_block'])
      assert.equal(ruleOf(`decision.${action}`), '110801', action)
  })

  test('none of their alerts comes back as an attack', () => {
    const context = { settings: connector.settings.parse({}), now: 0 }
    for (const { id, level } of rules) {
      const alert = {
        rule: { id, level, groups: ['cordon'] },
        agent: { id: '001', name: 'web' },
        id: `1.${id}`,
        ...(Number(id) < 110_840
          ? { data: { integration: 'cordon', source: { ip: '203.0.113.7' }, srcip: '203.0.113.7' } }
          : { data: { srcip: '203.0.113.7' }, location: '/var/ossec/logs/active-responses.log' }),
      }
      assert.deepEqual(connector.read?.(alert, context), [], id)
    }
  })
})

test('the decoder knows every first word that the scripts and the service say', () => {
  const decoder =
    /<prematch type="pcre2">(.*)<\/prematch>/.exec(text('cordon_decoders.xml'))?.[1] ?? ''
  const form = new RegExp(decoder)
  const words = [
    'blocked',
    'prolonged',
    'standing',
    'lifted',
    'kept',
    'nothing',
    'refused',
    'unreached',
  ]
  for (const word of words)
    assert.match(`2026/03/01 03:00:00 active-response/bin/cordon-block: ${word}: it`, form)
  const said = [...text('cordon-deliver').matchAll(/say "(\w+):/g)].map(([, word]) => word ?? '')
  assert.ok(said.length > 1 && said.every((word) => words.includes(word)), said.join())
  assert.doesNotMatch('2026/03/01 03:00:00 active-response/bin/cordon-block: {"version":1}', form)
})

describe('the scripts', () => {
  for (const name of scripts)
    test(`${name} can be read by a shell, and is thin`, () => {
      const script = text(name)
      assert.match(script, /^#!\/bin\/sh\n/)
      for (const shell of [['dash'], ['bash', '--posix']]) {
        const ran = spawnSync(shell[0] ?? '', [...shell.slice(1), '-n'], {
          input: script,
          encoding: 'utf8',
        })
        if (ran.error === undefined) assert.equal(ran.stderr, '')
      }
    })

  test('go where Wazuh looks for them, with the rights that it asks for', () => {
    for (const part of [file.parts.manager, file.parts.orders, file.parts.agent])
      for (const name of scripts) {
        const entry = part?.files.find(({ from }) => from === name)
        if (!entry) continue
        const place = name === 'custom-cordon' ? 'integrations' : 'active-response/bin'
        assert.deepEqual(
          [entry.to, entry.mode, entry.owner, entry.group],
          [`/var/ossec/${place}/${name}`, '0750', 'root', 'wazuh'],
        )
      }
  })

  test('are started again with Wazuh by the unit of each machine that keeps orders', () => {
    const started = /^ExecStartPost=-(\S+) start$/m.exec(text('start.conf'))?.[1]
    for (const [name, { files, next }] of Object.entries(file.parts)) {
      const deliver = files.find(({ from }) => from === 'cordon-deliver')
      const unit = files.find(({ from }) => from === 'start.conf')
      assert.equal(unit !== undefined, deliver !== undefined, name)
      if (!unit) continue
      assert.equal(deliver?.to, started)
      const service = /^\/etc\/systemd\/system\/(wazuh-\w+)\.service\.d\/cordon\.conf$/.exec(
        unit.to,
      )?.[1]
      assert.deepEqual(next.slice(-2), ['systemctl daemon-reload', `systemctl restart ${service}`])
    }
  })

  test('of the manager send alerts or carry out orders: no part does both, which would block twice', () => {
    const fragments = (part: string) =>
      (file.parts[part]?.fragments ?? []).map(({ from }) => text(from)).join('')
    assert.match(fragments('manager'), /<name>custom-cordon<\/name>/)
    assert.doesNotMatch(fragments('manager'), /active-response/)
    assert.match(fragments('orders'), /<active-response>/)
    assert.doesNotMatch(fragments('orders'), /integration/)
    assert.deepEqual(file.parts.manager?.token?.scopes, ['ingest'])
    for (const part of ['orders', 'agent'])
      assert.deepEqual(file.parts[part]?.token?.scopes, ['respond'], part)
  })

  test('read the settings from where they are put', () => {
    const conf = file.parts.agent?.files.find(({ from }) => from === 'cordon.conf')
    assert.ok(scripts.slice(0, 1).every((name) => text(name).includes(`conf=${conf?.to}\n`)))
    const keys = [...text('cordon.conf').matchAll(/^(\w+)=/gm)].map(([, key]) => key ?? '')
    const known = /case \$key in (.*?)\)/.exec(text('cordon-deliver'))?.[1]?.split(' | ')
    assert.deepEqual(keys, known)
  })
})

test('the page is one page', () => {
  assert.ok(readme.split('\n').length < 60)
})
