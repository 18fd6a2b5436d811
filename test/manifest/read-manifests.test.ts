/** A manifest that is wrong is refused where it is wrong, before anything is installed from it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readManifest } from '../../actions/manifest/read-manifests.ts'
import { temporary, writeManifest, writeTree } from './tree.ts'

const head =
  'title: demo\nversions: all\ntested: not at all\nsettings: { url: { description: x, default: y } }\n'
const part = (entry: string) => `${head}parts: { main: { description: x, ${entry} } }\n`
const file = (entry: string) => part(`files: [{ from: a, ${entry} }]`)

const wrong: [what: string, yaml: string, message: RegExp][] = [
  [
    'a key that is misspelt',
    file('to: /a, mod: "0644"'),
    /unknown key "mod"; did you mean "mode"\?/,
  ],
  ['a mode that is a number', file('to: /a, mode: 0640'), /put it in quotes/],
  ['a mode with set-user-id', file('to: /a, mode: "4755"'), /four octal digits/],
  ['a target above', file('to: /a/../b'), /no "\." or "\.\."/],
  ['a source above', part('files: [{ from: ../a, to: /a }]'), /inside the folder/],
  ['a source that is not there', part('files: [{ from: b, to: /a }]'), /b cannot be read/],
  ['a folder to a file', part('files: [{ from: d/, to: /a }]'), /slash at the end of both/],
  [
    'paths of both kinds',
    part('files: [{ from: a, to: /a }, { from: a, to: b }]'),
    /all absolute or all relative/,
  ],
  [
    'one target twice',
    part('files: [{ from: a, to: /a }, { from: a, to: /a }]'),
    /\/a is written twice/,
  ],
  ['a part without anything', part('files: []'), /a part has files or fragments/],
  ['no part', `${head}parts: {}\n`, /at least one part/],
  [
    'a template with an unknown name',
    part('files: [{ from: t, to: /a, template: true }]'),
    /\{\{ulr\}\}, which is no setting; did you mean url\?/,
  ],
  [
    'a template that is not said to be one',
    part('files: [{ from: u, to: /a }]'),
    /write template: true/,
  ],
  [
    'a next step with an unknown name',
    part('files: [{ from: a, to: /a }], next: ["{{x}}"]'),
    /"\{\{x\}\}" names \{\{x\}\}/,
  ],
  [
    'a setting without default and example',
    file('to: /a').replace(', default: y', ''),
    /a setting without a default needs an example/,
  ],
  ['no YAML', 'title: [', /line 1/],
]

describe('a manifest with', () => {
  for (const [what, yaml, message] of wrong)
    test(`${what} is refused`, () => {
      using source = temporary()
      const files = { a: 'a', t: '{{ulr}}', u: '{{url}}', 'd/e': 'e' }
      assert.throws(() => writeManifest(source.path, yaml, files), {
        code: 'invalid_input',
        message,
      })
    })

  test('a whole folder has all its files, and nothing that Python left', () => {
    using source = temporary()
    const manifest = writeManifest(
      source.path,
      part('files: [{ from: d/, to: /opt/, mode: "0755" }]'),
      {
        'd/b/c.py': '',
        'd/a b': '',
        'd/__pycache__/c.pyc': '',
      },
    )
    assert.deepEqual(
      manifest.file.parts.main?.files.map(({ from, to, mode }) => [from, to, mode]),
      [
        ['d/a b', '/opt/a b', '0755'],
        ['d/b/c.py', '/opt/b/c.py', '0755'],
      ],
    )
  })
})

test('a host that is not there gets the nearest', () => {
  using source = temporary()
  writeTree(source.path, { 'wazuh/manifest.yaml': '', 'splunk/manifest.yaml': '', 'schemas/x': '' })
  assert.throws(() => readManifest('wazu', source.path), {
    code: 'not_found',
    remedy: 'did you mean wazuh?',
  })
  assert.throws(() => readManifest('../etc', source.path), {
    code: 'not_found',
    remedy: 'there are splunk, wazuh',
  })
})
