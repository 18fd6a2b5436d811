/** Values of settings: none is guessed, none breaks out of its template, and each mistake says what to write. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { parse } from 'yaml'
import { readSets } from '../../actions/manifest/choose.ts'
import { placeOf } from '../../actions/manifest/place.ts'
import { prepareRemove } from '../../actions/manifest/prepare.ts'
import { render } from '../../actions/manifest/render.ts'
import { install, prepare, temporary, who, writeManifest } from './tree.ts'

const yaml = `
title: demo
versions: all
tested: not at all
settings:
  url: { description: address of the service, example: "https://cordon.example:8055", pattern: "https?://\\\\S+" }
  name: { description: its name, default: cordon }
  unused: { description: of the other part, example: x }
token: { scopes: [ingest, read], file: "{{folder}}/demo.token", mode: "0640", group: wazuh }
parts:
  main:
    description: a template
    files: [{ from: conf, to: "/etc/demo.conf", template: true }]
    next: ["open {{url}}"]
  other:
    description: another
    files: [{ from: other.xml, to: "/etc/other.xml", template: true }]
`.replace('token:', '  folder: { description: where, default: "/etc/my cordon" }\ntoken:')
const files = { conf: 'url={{url}}\nname={{name}}\n', 'other.xml': '<x>{{unused}}</x>' }

function wanted(values: Record<string, string>, parts = ['main']) {
  using source = temporary()
  using root = temporary()
  return prepare(writeManifest(source.path, yaml, files), root.path, { parts, values })
}

describe('settings', () => {
  test('are filled in, with their defaults', () => {
    const { plan } = wanted({ url: 'https://192.0.2.10' })
    assert.equal(`${plan.changes[0]?.after?.content}`, 'url=https://192.0.2.10\nname=cordon\n')
  })

  test('that are missing are asked for with an example, but only where they are used', () => {
    assert.throws(() => wanted({}), {
      code: 'setting_invalid',
      message: 'setting url is missing: address of the service',
      remedy: 'give it: --set url=https://cordon.example:8055',
    })
    assert.throws(() => wanted({ url: 'https://x' }, ['other']), { message: /unused is missing/ })
  })

  test('that are unknown get the nearest known one', () => {
    assert.throws(() => wanted({ ulr: 'x' }), {
      code: 'setting_unknown',
      remedy: 'did you mean url?',
    })
  })

  test('of the wrong form are refused with an example', () => {
    assert.throws(() => wanted({ url: 'ftp://x' }), {
      code: 'setting_invalid',
      remedy: 'give another value, such as url=https://cordon.example:8055',
    })
  })

  for (const [what, value] of [
    ['line end', 'a\nroot = yes'],
    ['carriage return', 'a\rb'],
    ['line separator', 'a\u2028b'],
    ['escape', 'a\u001b[2J'],
  ])
    test(`with a ${what} are refused`, () => {
      assert.throws(() => wanted({ url: 'https://x', name: value ?? '' }), {
        code: 'setting_invalid',
      })
    })

  test('are read as name=value, each once', () => {
    assert.deepEqual(readSets(['url=https://x/?a=b', 'empty=']), {
      url: 'https://x/?a=b',
      empty: '',
    })
    assert.throws(() => readSets(['url']), { code: 'usage' })
    assert.throws(() => readSets(['=x']), { code: 'usage' })
    assert.throws(() => readSets(['a=1', 'a=2']), { code: 'usage', message: /set twice/ })
    assert.deepEqual(Object.keys(readSets(['__proto__=x'])), ['__proto__'])
  })

  test('reach the command that makes the token, which shows no secret, and what is to be done next', () => {
    assert.deepEqual(wanted({ url: 'https://x' }).next, [
      "cordon token create demo --scope ingest --scope read | sudo install -D -m 0640 -g wazuh /dev/stdin '/etc/my cordon/demo.token'",
      'open https://x',
    ])
  })
})

test('once it was removed, it is said what is left to do, and that the token is still good', () => {
  using source = temporary()
  using root = temporary()
  const text = yaml.replace('    next:', '    undo: ["close {{url}}"]\n    next:')
  const manifest = writeManifest(source.path, text, files)
  install(manifest, root.path, { parts: ['main'], values: { url: 'https://x' } })
  const removed = prepareRemove('demo', placeOf('demo', true, root.path), false, who, manifest)
  assert.deepEqual(removed?.next, [
    'close https://x',
    'cordon token revoke ID, which "cordon token list" shows',
    "sudo rm '/etc/my cordon/demo.token'",
  ])
})

test('parts that read the same file share one token: a second one would put out the first', () => {
  const own = (scope: string) => `\n    token: { scopes: [${scope}], file: /etc/demo.token }`
  using source = temporary()
  using root = temporary()
  const text = yaml.replace(': a template', `: a template${own('read')}`)
  const both = text.replace(': another', `: another${own('respond')}`)
  const manifest = writeManifest(source.path, both, files)
  const values = { url: 'https://x', unused: 'x' }
  const { next } = prepare(manifest, root.path, { parts: ['main', 'other'], values })
  const create = 'cordon token create demo --scope read --scope respond'
  assert.deepEqual(next.slice(0, -1), [
    `${create} | sudo install -D -m 0600 /dev/stdin /etc/demo.token`,
  ])
})

describe('a value comes out of its file as it went in', () => {
  const value = fc.string({ maxLength: 20 }).filter((text) => !/[\u0000-\u001f\u007f]/.test(text))
  test('in JSON and YAML between double quotes', () => {
    fc.assert(
      fc.property(value, (v) => {
        assert.equal(JSON.parse(render('"{{v}}"', 'json', { v })), v)
        assert.equal(parse(render('v: "{{v}}"', 'yaml', { v })).v, v)
        assert.equal(runInNewContext(render('"{{v}}"', 'json', { v })), v)
      }),
    )
  })

  test('in a shell between single quotes', () => {
    for (const v of ["it's", "'; touch /tmp/x; '", '$(id) `id` "', '\\']) {
      const { stdout } = spawnSync('sh', ['-c', render("printf %s '{{v}}'", 'shell', { v })])
      assert.equal(stdout.toString(), v)
    }
  })

  test('in XML, or is refused, since not every reader knows entities', () => {
    assert.equal(render('<a>{{v}}</a>', 'xml', { v: 'https://x/' }), '<a>https://x/</a>')
    for (const v of ['</a><b>', 'a"b', "a'b", 'a&b'])
      assert.throws(() => render('<a>{{v}}</a>', 'xml', { v }), { code: 'setting_invalid' })
  })

  test('and what looks like a template in a value is no template', () => {
    assert.equal(render('{{v}} {{w}}', 'plain', { v: '{{w}}', w: '$&' }), '{{w}} $&')
  })
})
