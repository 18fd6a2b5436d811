/** Who may import whom, and what may be touched where: read from every source file. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const ignored = ['node_modules', '.git', 'data']

type Source = { path: string; text: string; code: string; imports: Import[] }
/** `to` is a path from the root for what is ours, and the name as it is written for what is not. */
type Import = { to: string; ours: boolean; dynamic: boolean }

const sources = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  .filter((path) => !path.split('/').some((part) => ignored.includes(part)))
  .map(readSource)

test('there are sources to judge, and their imports are found', () => {
  assert.ok(sources.length > 100)
  const imports = importsOf(
    'contract/x.ts',
    `import a from './a.ts'
import type { B } from "#contract/b.ts"
import {
  c,
} from 'c'
import 'd'
export * from './e.ts'
export { f } from '../actions/f.ts'
const g = await import('node:g')
import h = require('h')
const i = require('i')`,
  )
  assert.deepEqual(
    imports.map(({ to }) => to),
    [
      'contract/a.ts',
      'contract/b.ts',
      'c',
      'd',
      'contract/e.ts',
      'actions/f.ts',
      'node:g',
      'h',
      'i',
    ],
  )
})

test('the contract imports nothing of ours: everybody else stands on it', () => {
  forbid(inside('contract'), (to) => to.ours && !under(to, 'contract'))
})

test('connectors import the contract and readers of connectors, nothing else of ours', () => {
  forbid(
    inside('connectors'),
    (to) => to.ours && !under(to, 'contract') && !under(to, 'connectors'),
  )
})

test('the agent imports the contract only: it must hold when the service is wrong', () => {
  forbid(inside('agent'), (to) => to.ours && !under(to, 'contract') && !under(to, 'agent'))
})

test('the service imports the contract only; connectors come in by name at start-up, in one file', () => {
  forbid(inside('actions'), (to, from) => {
    if (!to.ours || under(to, 'contract') || under(to, 'actions')) return false
    return !(to.dynamic && from.path === 'actions/load-connectors.ts')
  })
  const dynamic = inside('actions').filter(({ code }) => /\bimport\(\s*new URL/.test(code))
  assert.deepEqual(
    dynamic.map(({ path }) => path),
    ['actions/load-connectors.ts'],
  )
})

test('nothing imports the service but what starts it, and tests', () => {
  const starters = ['cordon.ts', 'start.ts']
  const others = sources.filter(
    ({ path }) =>
      !path.startsWith('actions/') && !path.startsWith('test/') && !starters.includes(path),
  )
  forbid(others, (to) => under(to, 'actions'))
})

test('nothing of the product imports a test', () => {
  forbid(
    sources.filter(({ path }) => !path.startsWith('test/')),
    (to) => under(to, 'test'),
  )
})

test('only the store speaks to a database', () => {
  const product = sources.filter(({ path }) => !path.startsWith('test/'))
  const outside = product.filter(({ path }) => !path.startsWith('actions/store/'))
  forbid(outside, ({ to }) => /^(node:sqlite|pg|better-sqlite3)$/.test(to))
})

test('only the agent’s kernel folder starts programs or calls native code', () => {
  const product = sources.filter(({ path }) => !path.startsWith('test/'))
  const outside = product.filter(({ path }) => !path.startsWith('agent/kernel/'))
  forbid(outside, ({ to }) => /^(node:)?child_process$|^koffi$/.test(to))
})

test('judging has no clock, no randomness, no environment, no network and no disk', () => {
  const judging = inside('actions/decide')
  forbid(judging, ({ to }) =>
    /^(node:)?(fs|fs\/promises|net|http|https|http2|dgram|dns|tls|crypto|os|process|timers|timers\/promises|perf_hooks|worker_threads)$/.test(
      to,
    ),
  )
  forbidText(
    judging,
    /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\b|\bset(Timeout|Interval|Immediate)\b/,
  )
  forbidText(judging, /\bMath\.random\b|\bcrypto\b|\bprocess\.|\bfetch\(/)
})

test('no file has a name that says nothing', () => {
  const empty = /^(utils?|helpers?|common|types|managers?)$/
  const found = sources.filter(({ path }) =>
    path.split('/').some((part) => empty.test(part.replace(/(\.test)?\.ts$/, ''))),
  )
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})

test('no code branches on the text of an error', () => {
  forbidText(
    sources.filter(({ path }) => !path.startsWith('test/')),
    /\.message\s*[!=]==?(?![=\s]*'')|[!=]==?\s*\w+\.message\b|\.message\??\.(includes|startsWith|endsWith|match|search|indexOf|test)\(|\.test\(\s*\w+\.message|switch\s*\(\s*\w+\.message/,
  )
})

function inside(folder: string): Source[] {
  const found = sources.filter(({ path }) => path.startsWith(`${folder}/`))
  assert.ok(found.length > 0, `nothing is in ${folder}`)
  return found
}

function under(to: Import, folder: string): boolean {
  return to.ours && to.to.startsWith(`${folder}/`)
}

function forbid(from: readonly Source[], wrong: (to: Import, from: Source) => boolean): void {
  const found = from.flatMap((source) =>
    source.imports
      .filter((to) => wrong(to, source))
      .map(({ to }) => `${source.path} imports ${to}`),
  )
  assert.deepEqual(found, [])
}

function forbidText(from: readonly Source[], wrong: RegExp): void {
  const found = from.flatMap(({ path, code }) =>
    code
      .split('\n')
      .filter((line) => wrong.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  )
  assert.deepEqual(found, [])
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/(^|\s)\/\/.*/g, '')
  return { path, text, code, imports: importsOf(path, text) }
}

/** Static, side effect, re-export, dynamic and require; comments count too, which errs on the strict side. */
function importsOf(path: string, text: string): Import[] {
  const found: Import[] = []
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b(?:[\w\s{},*$]*?\bfrom)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"`]([^'"`]+)['"`]|\brequire\(\s*['"]([^'"]+)['"]/g
  for (const [, fixed, dynamic, required] of text.matchAll(pattern)) {
    const name = fixed ?? dynamic ?? required ?? ''
    const ours = name.startsWith('.') || name.startsWith('#')
    found.push({ to: ours ? place(path, name) : name, ours, dynamic: dynamic !== undefined })
  }
  return found
}

function place(from: string, name: string): string {
  if (name.startsWith('#contract/')) return `contract/${name.slice('#contract/'.length)}`
  return relative(root, resolve(root, dirname(from), name))
}
