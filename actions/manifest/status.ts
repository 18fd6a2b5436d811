/** What is installed of a manifest at a place, whether a person changed it since, and whether it is of an older version. */
import { Problem, toProblem } from '#contract/problem.ts'
import { findBlock } from './block.ts'
import { look } from './look.ts'
import { type Place, placeOf } from './place.ts'
import { prepareInstall, readInstalled, type Who } from './prepare.ts'
import type { Manifest } from './read-manifests.ts'
import { type Entry, type Installed, keyOf } from './record.ts'
import { digestOf, type State } from './state.ts'

export type Status = {
  root: string
  installed: string
  parts: string[]
  /** Paths below the root that are no longer as they were installed. */
  changed: string[]
  /** The manifest would install something else now. */
  outdated: boolean
}

/** At the places where it goes to: undefined where nothing is installed, a Problem where that cannot be told. */
export function statusesOf(
  manifest: Manifest,
  dest: string | undefined,
  who: Who,
): (Status | Problem)[] {
  return [true, false].flatMap((machine) => {
    try {
      return statusAt(manifest, placeOf(manifest.host, machine, dest), dest, who) ?? []
    } catch (error) {
      return toProblem(error)
    }
  })
}

function statusAt(
  manifest: Manifest,
  place: Place,
  dest: string | undefined,
  who: Who,
): Status | undefined {
  const { record } = readInstalled(place, manifest.host, who.me)
  if (record === undefined) return undefined
  const seen = look(place.root, new Set(record.entries.map(({ path }) => path)))
  const changed = record.entries.filter((entry) => isChanged(entry, seen.states.get(entry.path)))
  return {
    root: place.root,
    installed: record.installed,
    parts: record.parts,
    changed: [...new Set(changed.map(({ path }) => path))],
    outdated: isOutdated(manifest, record, dest, who),
  }
}

function isChanged(entry: Entry, state: State | undefined): boolean {
  if (state === undefined) return true
  if (entry.kind === 'file') return !entry.ours.includes(digestOf(state.content))
  const found = findBlock(state.content.toString('latin1'), entry.comment, entry.mark)
  return found === undefined || !entry.ours.includes(digestOf(found.text))
}

/** Also when it can no longer be installed as it was, such as for a setting that is new. */
function isOutdated(
  manifest: Manifest,
  record: Installed,
  dest: string | undefined,
  who: Who,
): boolean {
  const parts = record.parts.filter((name) => name in manifest.file.parts)
  try {
    const wanted = { manifest, parts, values: {}, dest, force: true }
    const wished = prepareInstall(wanted, who).plan.record?.entries ?? []
    return printEntries(wished) !== printEntries(record.entries)
  } catch (error) {
    if (error instanceof Problem && error.code === 'setting_invalid') return true
    throw error
  }
}

function printEntries(entries: readonly Entry[]): string {
  const lines = entries.map((entry) => `${keyOf(entry)} ${entry.ours.join(' ')}`)
  return lines.sort().join('\n')
}
