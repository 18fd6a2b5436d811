/** Takes one thing back that was installed: what was there before comes back, what a person did since stays. Pure. */
import { findBlock, takeBlock } from './block.ts'
import type { Step } from './plan.ts'
import { type BlockEntry, type FileEntry, formerState } from './record.ts'
import { digestOf, type State, sameContent } from './state.ts'

/** A file that a person was to fill in, and did, is left to them; `force` takes it too. */
export function undoFile(state: State | undefined, entry: FileEntry, force: boolean): Step {
  const former = formerState(entry.former)
  if (sameContent(state, former) && !isOurs(state, entry)) return { state }
  if (isOurs(state, entry)) return { state: former }
  if (entry.keep && state !== undefined && !force)
    return { state, note: 'was filled in by a person and stays' }
  return { state: former, conflict: true }
}

export function undoBlock(state: State | undefined, entry: BlockEntry): Step {
  const text = state?.content.toString('latin1') ?? ''
  const found = state && findBlock(text, entry.comment, entry.mark)
  if (state === undefined || found === undefined) return { state }
  const rest = takeBlock(text, found, entry.lead, entry.before)
  return {
    state:
      entry.made && rest === '' ? undefined : { ...state, content: Buffer.from(rest, 'latin1') },
    conflict: !entry.ours.includes(digestOf(found.text)),
  }
}

function isOurs(state: State | undefined, entry: FileEntry): boolean {
  return state !== undefined && entry.ours.includes(digestOf(state.content))
}
