/** manifest.yaml as it is written: the strict schema of what one host product gets, and where. */
import { z } from 'zod'
import { strict } from '../strict-object.ts'

const Sentence = z.string().trim().min(1).max(300)
const name = /^[a-z][a-z0-9_-]{0,39}$/
const settingName = /^[a-z][a-z0-9_]{0,39}$/

/** A name in /etc/passwd or /etc/group, or a number. */
const Account = z
  .string({ error: () => 'this is the name of a user or group, or its number in quotes' })
  .regex(/^([a-z_][a-z0-9_-]{0,31}\$?|\d{1,9})$/, 'this is no name of a user or group')

/** Neither set-user-id nor anything else that a file of ours could need. */
const Mode = z
  .string({ error: () => 'a mode is text; put it in quotes, such as "0640"' })
  .regex(/^0[0-7]{3}$/, 'a mode is four octal digits, such as "0640"')

/** Inside the folder of the manifest. */
const From = z
  .string()
  .min(1)
  .refine(
    (path) => !path.startsWith('/') && staysInside(path),
    'this is a path inside the folder of the manifest',
  )

/** May name settings: `{{splunk_home}}/etc/apps/cordon/default/app.conf`. It is checked again once they are filled in. */
const To = z.string().min(1).refine(staysInside, 'a path has no "." or ".." in it')

/**
 * What a value stands in, which says how it is escaped: in `xml` as text or in an attribute, in `json` and `yaml` between
 * double quotes, in `shell` between single quotes, in `plain` as it is. A line end or another control character is refused in all.
 */
export const kinds = ['xml', 'json', 'yaml', 'shell', 'plain'] as const
export type Kind = (typeof kinds)[number]
const Escape = z.enum(kinds).optional()

/** `from` and `to` that both end in a slash are whole folders: every file below, each with this mode and owner. */
const File = strict({
  from: From,
  to: To,
  mode: Mode.default('0644'),
  /** Whoever installs when not set. */
  owner: Account.optional(),
  group: Account.optional(),
  /** `{{name}}` is the value of that setting. */
  template: z.boolean().default(false),
  /** By the ending of `from` when not set (.xml, .json, .ndjson, .yaml, .yml, .sh), else plain. */
  escape: Escape,
  /** A file that a person filled in stays as it is, also when a newer version comes. */
  keep: z.boolean().default(false),
}).refine(({ from, to }) => from.endsWith('/') === to.endsWith('/'), {
  message: 'a folder is written with a slash at the end of both from and to',
})

/** A block between two marks inside a file of somebody else, who may edit the rest as before. */
const Fragment = strict({
  from: From,
  into: To.refine((path) => !path.endsWith('/'), 'this is a file'),
  /** How the file writes a comment: the marks are comments. */
  comment: z.enum(['xml', 'hash']),
  /** Goes before the last occurrence of this, which must be there; without it to the end of the file, which is made when it is not there. */
  before: z.string().min(1).max(300).optional(),
  template: z.boolean().default(false),
  /** By `comment` when not set: xml, or plain. */
  escape: Escape,
})

/** The command that makes the token is shown after installing; a manifest never holds or makes a secret. */
const Token = strict({
  scopes: z.array(z.enum(['ingest', 'read', 'respond', 'review', 'admin'])).min(1),
  /** Where the host looks for it; may name settings. */
  file: To.optional(),
  mode: Mode.default('0600'),
  owner: Account.optional(),
  group: Account.optional(),
})

/** What belongs on one kind of machine, or to one way of using it. Its paths are all absolute or all relative. */
const Part = strict({
  description: Sentence,
  files: z.array(File).default([]),
  fragments: z.array(Fragment).default([]),
  /** In place of the token of the whole manifest. */
  token: Token.optional(),
  /** What a person does then: printed, never run. May name settings. */
  next: z.array(Sentence).default([]),
  /** The same once it was removed. */
  undo: z.array(Sentence).default([]),
})
  .refine(({ files, fragments }) => files.length + fragments.length > 0, {
    message: 'a part has files or fragments',
  })
  .refine((part) => new Set(pathsOf(part).map(isAbsolute)).size <= 1, {
    message: 'the paths of one part are all absolute or all relative',
  })

/** Without a default it must be given; one that may be empty has the default "". */
const Setting = strict({
  description: Sentence,
  default: z.union([z.string(), z.number(), z.boolean()]).transform(String).optional(),
  example: z.union([z.string(), z.number(), z.boolean()]).transform(String).optional(),
  /** A regular expression that a value must match as a whole. */
  pattern: z.string().refine(isPattern, 'this is no regular expression').optional(),
}).refine((setting) => setting.default !== undefined || setting.example !== undefined, {
  message: 'a setting without a default needs an example',
})

export const ManifestFile = strict({
  title: Sentence,
  /** Of the host product: those that it was made for. */
  versions: Sentence,
  /** What was run, and against what; what could not be run is said so. */
  tested: z.string().trim().min(1).max(600),
  settings: z.record(z.string().regex(settingName), Setting).default({}),
  token: Token.optional(),
  parts: z
    .record(z.string().regex(name), Part)
    .refine((parts) => Object.keys(parts).length > 0, 'there is at least one part'),
})

export type ManifestFile = z.output<typeof ManifestFile>
export type PartEntry = z.output<typeof Part>
export type FileEntry = z.output<typeof File>
export type FragmentEntry = z.output<typeof Fragment>
export type SettingEntry = z.output<typeof Setting>
export type TokenEntry = z.output<typeof Token>

/** Whether a part goes below the root of a machine, and not into a folder to be imported from. A setting stands for an absolute path. */
export function isAbsolute(path: string): boolean {
  return path.startsWith('/') || path.startsWith('{{')
}

type Targets = { files: readonly { to: string }[]; fragments: readonly { into: string }[] }
export function pathsOf({ files, fragments }: Targets): string[] {
  return [...files.map(({ to }) => to), ...fragments.map(({ into }) => into)]
}

function staysInside(path: string): boolean {
  return !path.split('/').some((step) => step === '.' || step === '..') && !path.includes('\0')
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp
  } catch {
    return false
  }
}
