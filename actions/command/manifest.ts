/** `cordon manifest install|remove`: shows the diff of what another product gets, asks, writes it, and takes it back. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { carryOut, checkFolders } from '../manifest/carry-out.ts'
import { readSets } from '../manifest/choose.ts'
import { type Disk, openDisk } from '../manifest/disk.ts'
import { type Place, placeOf } from '../manifest/place.ts'
import {
  isDone,
  type Prepared,
  prepareInstall,
  prepareRemove,
  readInstalled,
  type Who,
} from '../manifest/prepare.ts'
import { showChange } from '../manifest/print-plan.ts'
import { hostName, hostNames, readManifest, unknownHost } from '../manifest/read-manifests.ts'
import { answer } from './answer.ts'
import type { Asked, Handler, Io } from './command.ts'
import { paint } from './paint.ts'
import { printProblem } from './run.ts'
import { printShown } from './shown-change.ts'

export const installManifest: Handler = async (asked, io) => {
  const manifest = readManifest(asked.argument('host'))
  const wanted = {
    manifest,
    parts: asked.options('part'),
    values: readSets(asked.options('set')),
    dest: destOf(asked),
    force: asked.flag('force'),
  }
  const who = whoIs(io)
  const prepare = (made: readonly string[] = []) => prepareInstall(wanted, who, made)
  return change(asked, io, { prepared: prepare(), prepare, done: 'installed' })
}

export const removeManifest: Handler = async (asked, io) => {
  const host = asked.argument('host')
  const who = whoIs(io)
  const place = findPlace(host, destOf(asked), who)
  const manifest = hostNames().includes(host) ? readManifest(host) : undefined
  const prepare = () => place && prepareRemove(host, place, asked.flag('force'), who, manifest)
  const prepared = prepare()
  if (prepared) return change(asked, io, { prepared, prepare, done: 'removed' })
  answer(
    asked,
    io,
    { changes: [], done: false },
    () => `nothing to change: ${host} is not installed\n`,
  )
  return 0
}

type Work = {
  prepared: Prepared
  prepare: (made: readonly string[]) => Prepared | undefined
  done: 'installed' | 'removed'
}

async function change(asked: Asked, io: Io, { prepared, prepare, done }: Work): Promise<number> {
  const { place, plan, accounts, next } = prepared
  const show = (found: Prepared['plan']['changes']) =>
    found.map((one) => showChange(one, place.root, accounts))
  const [changes, conflicts] = [show(plan.changes), show(plan.conflicts)]
  const tell = (acted: boolean, line: string) =>
    answer(
      asked,
      io,
      { dest: place.root, changes, conflicts, notes: plan.notes, next, done: acted },
      () => line,
    )
  if (!asked.json) for (const one of [...changes, ...conflicts]) io.out(printShown(io, one))
  for (const note of plan.notes) io.err(`note: ${printable(note, 1_000)}\n`)
  if (conflicts.length > 0) {
    tell(false, '')
    printProblem(changedByPerson(conflicts.map(({ path }) => path)), io)
    return 1
  }
  if (isDone(prepared)) {
    tell(false, 'nothing to change\n')
    return 0
  }
  if (changes.length === 0) io.err('note: all is as it should be; only the record of it changes\n')
  const disk = openDisk(place.root)
  if (asked.flag('dry-run') || !(await mayAct(asked, io, prepared, disk))) {
    tell(false, '')
    io.err('hint: nothing was done; add --yes to do it\n')
    return 3
  }
  carryOut(prepared, prepare, disk)
  tell(true, `${done} below ${printable(place.root, 1_000)}${printNext(io, next)}\n`)
  return 0
}

/** Whether it could be written is looked at before anybody is asked. */
async function mayAct(asked: Asked, io: Io, prepared: Prepared, disk: Disk): Promise<boolean> {
  checkFolders(prepared, disk)
  return asked.flag('yes') || (await agrees(io, prepared.place))
}

/** Only who sees the question can answer it. */
async function agrees(io: Io, { root }: Place): Promise<boolean> {
  if (!io.screen.err) return false
  io.err(`write this below ${printable(root, 1_000)}? [y/N] `)
  let said = ''
  for await (const piece of io.stdin()) {
    said += Buffer.from(piece).toString()
    if (said.includes('\n')) break
  }
  return /^\s*(y|yes)\s*$/i.test(said.split('\n')[0] ?? '')
}

function printNext(io: Io, next: readonly string[]): string {
  if (next.length === 0) return ''
  const lines = next.map((step, at) => `${at + 1}. ${printable(step, 1_000)}`)
  return ['', '', paint(io, 'out', 'bold', 'Next'), ...lines].join('\n')
}

/** Where it is installed; for a host that is no more also by its record alone. */
function findPlace(host: string, dest: string | undefined, who: Who): Place | undefined {
  if (!hostName.test(host)) throw unknownHost(host, hostNames())
  const places = [true, false].map((machine) => placeOf(host, machine, dest))
  const found = places.filter((place) => readInstalled(place, host, who.me).record !== undefined)
  if (found.length > 1)
    throw new Problem(
      'usage',
      `${host} is installed at ${found.map(({ root }) => root).join(' and ')}`,
      {
        remedy: 'name one of them with --dest',
      },
    )
  if (found.length === 0 && !hostNames().includes(host)) throw unknownHost(host, hostNames())
  return found[0]
}

/** Undefined when it was not named. Throws `usage` for an empty one, which a variable that is not set leaves. */
export function destOf(asked: Asked): string | undefined {
  const dest = asked.option('dest')
  if (dest === '') throw new Problem('usage', '--dest is empty', { remedy: 'name a folder' })
  return dest
}

export function whoIs(io: Io): Who {
  return { me: process.geteuid?.(), now: io.now() }
}

function changedByPerson(paths: readonly string[]): Problem {
  return new Problem(
    'conflict',
    `changed by a person since: ${paths.join(', ')}; nothing was done`,
    {
      remedy: 'keep what is to be kept of it, then add --force: it is replaced as shown',
    },
  )
}
