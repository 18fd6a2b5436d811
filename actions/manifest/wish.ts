/** What the chosen parts of a manifest want to stand where, with every value filled in. Pure. */
import { posix } from 'node:path'
import { Problem } from '#contract/problem.ts'
import {
  type FileEntry,
  type FragmentEntry,
  type PartEntry,
  pathsOf,
  type TokenEntry,
} from './manifest-file.ts'
import type { Manifest } from './read-manifests.ts'
import { kindOf, namesIn, render, type Values } from './render.ts'

export type FileWish = {
  kind: 'file'
  part: string
  path: string
  content: Buffer
  mode: number
  owner: string | undefined
  group: string | undefined
  keep: boolean
}

export type BlockWish = {
  kind: 'block'
  part: string
  path: string
  /** Says whose block it is; no two of one file have the same. */
  mark: string
  comment: FragmentEntry['comment']
  content: Buffer
  before: string | undefined
}

export type Wish = FileWish | BlockWish

/** Throws `setting_invalid` for a value that makes a path lead elsewhere. */
export function wishesOf(manifest: Manifest, parts: readonly string[], values: Values): Wish[] {
  const wishes = parts.flatMap((name) => {
    const part = manifest.file.parts[name]
    return part === undefined ? [] : wishesOfPart(manifest, name, part, values)
  })
  return withoutTwins(wishes)
}

/** The settings that these parts use. */
export function namesUsed({ file, sources }: Manifest, parts: readonly string[]): Set<string> {
  const texts = chosen({ file }, parts).flatMap((part) => [
    ...pathsOf(part),
    ...part.next,
    ...part.undo,
    (part.token ?? file.token)?.file ?? '',
    ...[...part.files, ...part.fragments].flatMap(({ from, template }) =>
      template ? (sources.get(from)?.toString() ?? '') : [],
    ),
  ])
  return new Set(texts.flatMap(namesIn))
}

/** What a person does next, and the commands that make the tokens. */
export function nextOf(manifest: Manifest, parts: readonly string[], values: Values): string[] {
  const commands = tokensOf(manifest, parts, values).map((token) =>
    tokenCommand(manifest.host, token),
  )
  const next = chosen(manifest, parts).flatMap((part) => part.next)
  return [...new Set([...commands, ...next.map((step) => render(step, 'plain', values))])]
}

/** What a person does once it was removed: a token that nobody uses any more is a danger. */
export function undoOf(manifest: Manifest, parts: readonly string[], values: Values): string[] {
  const undo = chosen(manifest, parts).flatMap((part) => part.undo)
  const tokens = tokensOf(manifest, parts, values)
  const files = tokens.flatMap(({ file }) => (file === undefined ? [] : `sudo rm ${quote(file)}`))
  const revoke =
    tokens.length === 0 ? [] : ['cordon token revoke ID, which "cordon token list" shows']
  const steps = [...undo.map((step) => render(step, 'plain', values)), ...revoke, ...files]
  return [...new Set(steps)]
}

function chosen({ file }: Pick<Manifest, 'file'>, parts: readonly string[]): PartEntry[] {
  return parts.flatMap((name) => file.parts[name] ?? [])
}

function tokensOf(manifest: Manifest, parts: readonly string[], values: Values): TokenEntry[] {
  const tokens = chosen(manifest, parts).flatMap((part) => part.token ?? manifest.file.token ?? [])
  return onePlace(tokens, values)
}

function wishesOfPart(
  { host, sources }: Manifest,
  part: string,
  { files, fragments }: PartEntry,
  values: Values,
): Wish[] {
  const contentOf = (
    entry: FileEntry | FragmentEntry,
    kind = entry.escape ?? kindOf(entry.from),
  ) => {
    const content = sources.get(entry.from) ?? Buffer.alloc(0)
    return entry.template ? Buffer.from(render(content.toString(), kind, values)) : content
  }
  return [
    ...files.map((entry) => ({
      kind: 'file' as const,
      part,
      path: readPath(entry.to, values),
      content: contentOf(entry),
      mode: Number.parseInt(entry.mode, 8),
      owner: entry.owner,
      group: entry.group,
      keep: entry.keep,
    })),
    ...fragments.map((entry) => ({
      kind: 'block' as const,
      part,
      path: readPath(entry.into, values),
      mark: `${host} ${part} ${entry.from}`,
      comment: entry.comment,
      content: contentOf(entry, entry.escape ?? (entry.comment === 'xml' ? 'xml' : 'plain')),
      before: entry.before,
    })),
  ]
}

/** Below the root, with a slash in front. */
function readPath(path: string, values: Values): string {
  const filled = render(path, 'plain', values)
  const strays = filled.split('/').some((step) => step === '.' || step === '..')
  const relative = path.startsWith('{{') && !filled.startsWith('/')
  if (strays || relative || filled.endsWith('/'))
    throw new Problem('setting_invalid', `${path} becomes ${filled}, which is no path of a file`, {
      remedy: 'give the settings in it an absolute path without "." and ".."',
    })
  return posix.normalize(`/${filled}`)
}

/** Two parts may want the same file, as on a machine that is both; two different ones at one place cannot be. */
function withoutTwins(wishes: readonly Wish[]): Wish[] {
  const byPath = Map.groupBy(wishes, ({ path }) => path)
  return [...byPath.values()].flatMap((group) => {
    const [first, ...others] = group
    if (first?.kind !== 'file') {
      if (others.some(({ kind }) => kind === 'file')) throw twice(others[0])
      return group
    }
    if (others.some((other) => !isTwin(first, other))) throw twice(first)
    return [first]
  })
}

function isTwin(one: FileWish, other: Wish): boolean {
  if (other.kind !== 'file' || !one.content.equals(other.content)) return false
  const { mode, owner, group } = one
  return mode === other.mode && owner === other.owner && group === other.group
}

function twice(wish: Wish | undefined): Problem {
  return new Problem('setting_invalid', `two different files would be written to ${wish?.path}`, {
    remedy: 'give the settings that stand in their paths other values',
  })
}

/** Parts of one machine that read the same file share the token in it. */
function onePlace(tokens: readonly TokenEntry[], values: Values): TokenEntry[] {
  const filled = tokens.map((token) =>
    token.file === undefined ? token : { ...token, file: render(token.file, 'plain', values) },
  )
  const byFile = Map.groupBy(filled, ({ file, scopes }) => file ?? scopes.join())
  return [...byFile.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    const scopes = new Set([first, ...others].flatMap((token) => token.scopes))
    return [{ ...first, scopes: [...scopes] }]
  })
}

/** The secret goes from one program to the other: it is in no history of a shell and in no list of processes. */
function tokenCommand(host: string, { scopes, file, mode, owner, group }: TokenEntry): string {
  const create = `cordon token create ${host} ${scopes.map((scope) => `--scope ${scope}`).join(' ')}`
  if (file === undefined) return create
  const path = quote(file)
  const owners = `${owner === undefined ? '' : ` -o ${owner}`}${group === undefined ? '' : ` -g ${group}`}`
  return `${create} | sudo install -D -m ${mode}${owners} /dev/stdin ${path}`
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
