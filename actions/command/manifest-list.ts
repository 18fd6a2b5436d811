/** `cordon manifest list|show`: what there is for other products, and what of it is installed here. */
import { Problem } from '#contract/problem.ts'
import { isForMachine } from '../manifest/choose.ts'
import type { ManifestFile } from '../manifest/manifest-file.ts'
import { hostNames, readManifest } from '../manifest/read-manifests.ts'
import { type Status, statusesOf } from '../manifest/status.ts'
import { answer } from './answer.ts'
import type { Handler, Io } from './command.ts'
import { destOf, whoIs } from './manifest.ts'
import { paint, printColumns, printWhen } from './paint.ts'

export const listManifests: Handler = async (asked, io) => {
  const who = whoIs(io)
  const told = hostNames().map((host) => {
    const manifest = readManifest(host)
    const { title, versions, parts } = manifest.file
    const here = statusesOf(manifest, destOf(asked), who)
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

function sayStatus(status: Status | Problem, io: Io): string {
  // Where root installed anything, only root may look.
  if (status instanceof Problem)
    return status.code === 'no_privilege' ? 'only root can tell' : status.message
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
