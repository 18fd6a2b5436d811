/** A plan as a person reads it: each file with its mode and owner, and a unified diff. Pure. */
import { isUtf8 } from 'node:buffer'
import { posix } from 'node:path'
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { Accounts } from './accounts.ts'
import { type Change, type State, sameContent } from './state.ts'

export type Shown = {
  /** Where it is on this machine. */
  path: string
  what: 'new' | 'change' | 'remove'
  /** `mode 0644 → 0640, owner root:wazuh`; empty when nothing but the content changes. */
  rights: string
  /** Unified; empty when the content stays. */
  diff: string
}

export function showChange(change: Change, root: string, accounts: Names): Shown {
  const { before, after } = change
  const path = posix.join(root, change.path)
  return {
    path,
    what: before === undefined ? 'new' : after === undefined ? 'remove' : 'change',
    rights: rightsOf(before, after, accounts),
    diff: sameContent(before, after) ? '' : diffOf(path, before, after),
  }
}

type Names = Pick<Accounts, 'user' | 'group'>

function rightsOf(before: State | undefined, after: State | undefined, names: Names): string {
  if (after === undefined) return ''
  const mode = turned(before && octal(before.mode), octal(after.mode))
  const owner = turned(before && ownerOf(before, before, names), ownerOf(after, before, names))
  return [mode && `mode ${mode}`, owner && `owner ${owner}`].filter(Boolean).join(', ')
}

/** Nothing where nothing changes. */
function turned(before: string | undefined, after: string): string {
  if (before === undefined || before === after) return before === undefined ? after : ''
  return `${before} → ${after}`
}

/** Who is left open stays who it was, or is whoever installs. */
function ownerOf(state: State, before: State | undefined, { user, group }: Names): string {
  const [uid, gid] = [state.uid ?? before?.uid, state.gid ?? before?.gid]
  if (uid === undefined && gid === undefined) return ''
  return `${uid === undefined ? '' : user(uid)}:${gid === undefined ? '' : group(gid)}`
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function diffOf(path: string, before: State | undefined, after: State | undefined): string {
  const texts = [before, after].map((state) => state?.content ?? Buffer.alloc(0))
  if (texts.some((content) => !isUtf8(content) || content.includes(0)))
    return `${texts.map(({ length }) => `${length} bytes`).join(' → ')}, no text\n`
  const [old = '', young = ''] = texts.map((content) => content.toString())
  const from = before === undefined ? '/dev/null' : path
  const to = after === undefined ? '/dev/null' : path
  return createTwoFilesPatch(from, to, old, young, '', '', {
    headerOptions: FILE_HEADERS_ONLY,
    context: 3,
  })
}
