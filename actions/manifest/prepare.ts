/** Looks and plans: all that an installation or a removal would do, with nothing written. */
import { posix } from 'node:path'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { type Accounts, readAccounts } from './accounts.ts'
import { chooseParts, chooseValues, isForMachine } from './choose.ts'
import { look } from './look.ts'
import { foldersFor, type Place, placeOf } from './place.ts'
import { type Plan, planInstall, planRemove } from './plan.ts'
import type { Manifest } from './read-manifests.ts'
import { type Installed, pendingRecord, printRecord, readRecord } from './record.ts'
import type { Values } from './render.ts'
import { type State, sameState } from './state.ts'
import { namesUsed, nextOf, undoOf, type Wish, wishesOf } from './wish.ts'

/** The user who installs, undefined where the system has none, and the time. */
export type Who = { me: number | undefined; now: number }

export type Wanted = {
  manifest: Manifest
  parts: readonly string[]
  values: Values
  dest: string | undefined
  force: boolean
}

export type Prepared = {
  place: Place
  accounts: Accounts
  plan: Plan
  /** To be made. */
  folders: string[]
  /** That were made for it, and go with it. */
  leftover: readonly string[]
  record: { before: State | undefined; pending: State | undefined; after: State | undefined }
  next: string[]
}

/** `made` are folders that were not there before the lock was. Nothing is written. */
export function prepareInstall(wanted: Wanted, who: Who, made: readonly string[] = []): Prepared {
  const { manifest, dest, force } = wanted
  const place = placeOf(manifest.host, kindOf(manifest, wanted.parts), dest)
  const before = readInstalled(place, manifest.host, who.me)
  const parts = chooseParts(manifest, wanted.parts, before.record?.parts ?? [])
  const used = namesUsed(manifest, parts)
  const values = chooseValues(manifest, used, wanted.values, before.record?.settings ?? {})
  const wishes = wishesOf(manifest, parts, values)
  const accounts = readAccounts(place.root, who.me)
  const seen = look(place.root, pathsOf(wishes, before.record, place))
  const about = { host: manifest.host, installed: printTime(who.now), parts, settings: values }
  const plan = planInstall(wishes, about, seen, before.record, { owners: accounts.owners, force })
  const notes = [...plan.notes, ...ownerNotes(wishes, accounts)]
  const written = plan.changes.flatMap(({ path, after }) => (after ? [path] : []))
  const folders = foldersFor(seen.missing, [...written, place.record])
  const leftover = [...new Set([...(before.record?.folders ?? []), ...made, ...folders])]
  const after = plan.record && { ...plan.record, folders: sorted(leftover) }
  const record = recordStates(before, after, who)
  const next = nextOf(manifest, parts, values)
  return { place, accounts, plan: { ...plan, notes }, folders, leftover: [], record, next }
}

/** Undefined when nothing is installed there. Nothing is written. `manifest` says what is to be done then, where there is one still. */
export function prepareRemove(
  host: string,
  place: Place,
  force: boolean,
  who: Who,
  manifest?: Manifest,
): Prepared | undefined {
  const before = readInstalled(place, host, who.me)
  if (before.record === undefined) return undefined
  const seen = look(place.root, pathsOf([], before.record, place))
  const plan = planRemove(before.record, seen, { force })
  const written = plan.changes.flatMap(({ path, after }) => (after ? [path] : []))
  return {
    place,
    accounts: readAccounts(place.root, who.me),
    plan,
    folders: foldersFor(seen.missing, written),
    leftover: before.record.folders,
    record: recordStates(before, undefined, who),
    // What was imported from a folder works on without the folder, and needs its token.
    next:
      manifest && place.machine
        ? undoOf(manifest, before.record.parts, before.record.settings)
        : [],
  }
}

/** Whether a place already is as it is wished, also its record. */
export function isDone({ plan, record }: Prepared): boolean {
  return (
    plan.changes.length === 0 &&
    plan.conflicts.length === 0 &&
    sameState(record.before, record.after)
  )
}

type Before = { state: State | undefined; record: Installed | undefined }

export function readInstalled(place: Place, host: string, me: number | undefined): Before {
  const state = look(place.root, [place.record]).states.get(place.record)
  const path = posix.join(place.root, place.record)
  const record = readRecord(state, path, me)
  if (record === undefined || record.host === host) return { state, record }
  throw new Problem('conflict', `${path} is of another manifest, ${record.host}`, {
    remedy: 'name another folder with --dest',
  })
}

/** An installation that changes nothing keeps its time, so that it is the same to the byte. */
function recordStates(before: Before, after: Installed | undefined, { me }: Who) {
  const kept = before.record && after && { ...after, installed: before.record.installed }
  const same = kept && before.state?.content.equals(printRecord(kept))
  const pending = pendingRecord(before.record, after)
  return {
    before: before.state,
    pending: same ? before.state : pending && stateOf(pending, me),
    after: same ? before.state : after && stateOf(after, me),
  }
}

function stateOf(record: Installed, me: number | undefined): State {
  return { content: printRecord(record), mode: 0o600, uid: me, gid: undefined }
}

function kindOf({ host, file }: Manifest, asked: readonly string[]): boolean {
  const named = Object.keys(file.parts).filter((name) => asked.includes(name))
  const among = named.length > 0 ? named : Object.keys(file.parts)
  const kinds = new Set(among.flatMap((name) => file.parts[name] ?? []).map(isForMachine))
  if (kinds.size < 2) return kinds.has(true)
  throw new Problem(
    'usage',
    `${host} has parts for a machine and parts to import: ${among.join(', ')}`,
    {
      remedy: `install them one after the other, such as --part ${among[0]}`,
    },
  )
}

function pathsOf(wishes: readonly Wish[], record: Installed | undefined, { record: path }: Place) {
  return new Set([...wishes, ...(record?.entries ?? []), { path }].map((entry) => entry.path))
}

function ownerNotes(wishes: readonly Wish[], { why }: Accounts): string[] {
  const owned = wishes.filter((wish) => wish.kind === 'file')
  const names = owned.flatMap(({ owner, group }) =>
    owner === undefined && group === undefined ? [] : [`${owner ?? ''}:${group ?? ''}`],
  )
  if (why === undefined || names.length === 0) return []
  return [`owners are left out (${[...new Set(names)].join(', ')}): ${why}`]
}

function sorted(folders: readonly string[]): string[] {
  return folders.toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1))
}
