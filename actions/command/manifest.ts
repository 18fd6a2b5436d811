/** `cordon manifest …`: shows the diff of what another product gets, asks, writes it, and takes it back. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { isForMachine, readSets } from '../manifest/choose.ts'
import { openDisk } from '../manifest/disk.ts'
import {
  carryOut,
  checkFolders,
  isDone,
  type Prepared,
  prepareInstall,
  prepareRemove,
  readInstalled,
  type Who,
} from '../manifest/install.ts'
import type { ManifestFile } from '../manifest/manifest-file.ts'
import { type Place, placeOf } from '../manifest/place.ts'
import { showChange } from '../manifest/print-plan.ts'
import { hostName, hostNames, readManifest, unknownHost } from '../manifest/read-manifests.ts'
import { type Status, statusesOf } from '../manifest/status.ts'
import { answer } from './answer.ts'
import type { Asked, Handler, Io } from './command.ts'
import { paint, printColumns, printWhen } from './paint.ts'
import { printShown } from './shown-change.ts'

export const listManifests: Handler = async (asked, io) => {
  const who = whoIs(io)
  const told = hostNames().map((host) => {
    const manifest = readManifest(host)
    const { title, versions, parts } = manifest.file
    const here = statusesOf(manifest, asked.option('dest'), who)
    return { host, title, versions, parts: Object.keys(parts), here }
  })
  answer(asked, io, told, () =>
    printColumns(
      io,
      ['HOST', 'TITLE', 'VERSIONS', 'PARTS', 'INSTALLED'],
      told.map(({ host, title, versions, parts, here }) => [
        host,
        title,
        versions,
        parts.join(', '),
        here.map((status) => sayStatus(status, io)).join('; ') || 'no',
      ]),
    ),
  )
  return 0
}

export const showManifest: Handler = async (asked, io) => {
  const { host, file, readme } = readManifest(asked.argument('host'))
  answer(asked, io, { host, ...file, readme }, () =>
    [
      `${paint(io, 'out', 'bold', `${file.title}, ${file.versions}`)}\n`,
      ...Object.entries(file.parts).map(([name, part]) => printPart(io, name, part)),
      printSettings(io, file),
      `\n${readme.trim()}\n`,
    ].join(''),
  )
  return 0
}

export const installManifest: Handler = async (asked, io) => {
  const manifest = readManifest(asked.argument('host'))
  const wanted = {
    manifest,
    parts: asked.options('part'),
    values: readSets(asked.options('set')),
    dest: asked.option('dest'),
    force: asked.flag('force'),
  }
  const who = whoIs(io)
  const prepare = (made: readonly string[] = []) => prepareInstall(wanted, who, made)
  return change(asked, io, { prepared: prepare(), prepare, done: 'installed' })
}

export const removeManifest: Handler = async (asked, io) => {
  const host = asked.argument('host')
  const who = whoIs(io)
  const place = findPlace(host, asked.option('dest'), who)
  const prepare = () => place && prepareRemove(host, place, asked.flag('force'), who)
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
  if (conflicts.length > 0) throw changedByPerson(conflicts.map(({ path }) => path))
  if (isDone(prepared)) {
    tell(false, 'nothing to change\n')
    return 0
  }
  const disk = openDisk(place.root)
  checkFolders(prepared, disk)
  if (asked.flag('dry-run') || !(asked.flag('yes') || (await agrees(io, place)))) {
    tell(false, '')
    io.err('hint: nothing was done; add --yes to do it\n')
    return 3
  }
  carryOut(prepared, prepare, disk)
  tell(true, `${done} below ${printable(place.root, 1_000)}${printNext(io, next)}\n`)
  return 0
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

function whoIs(io: Io): Who {
  return { me: process.geteuid?.(), now: io.now() }
}

function sayStatus(status: Status | Problem, io: Io): string {
  if (status instanceof Problem) return status.message
  const { root, installed, parts, changed, outdated } = status
  const since = changed.length > 0 ? [`changed since: ${changed.join(', ')}`] : []
  const when = `${parts.join(', ')} at ${root}, ${printWhen(installed, io.now())}`
  return [when, ...since, ...(outdated ? ['outdated'] : [])].join(', ')
}

function printPart(io: Io, name: string, part: ManifestFile['parts'][string]): string {
  const where = isForMachine(part) ? '' : ', to import from'
  const files = part.files.map(({ to, mode, owner, group }) => {
    const owners =
      owner === undefined && group === undefined ? '' : ` ${owner ?? ''}:${group ?? ''}`
    return `  ${to}  ${mode}${owners}\n`
  })
  const blocks = part.fragments.map(({ into }) => `  ${into}  a block in it\n`)
  const heading = `\npart ${paint(io, 'out', 'bold', name)}: ${part.description}${where}\n`
  return [heading, ...files, ...blocks].join('')
}

function printSettings(io: Io, { settings }: ManifestFile): string {
  const rows = Object.entries(settings).map(([name, setting]) => [
    name,
    setting.default ?? `required, such as ${setting.example}`,
    setting.description,
  ])
  return rows.length === 0 ? '' : `\n${printColumns(io, ['SETTING', 'DEFAULT', 'WHAT'], rows)}`
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
