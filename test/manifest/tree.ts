/** Folders for tests of manifests: a tree on the disk, what it holds to the byte and mode, and manifests of one's own. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { carryOut } from '../../actions/manifest/carry-out.ts'
import type { Disk } from '../../actions/manifest/disk.ts'
import { openDisk } from '../../actions/manifest/disk.ts'
import { placeOf } from '../../actions/manifest/place.ts'
import { prepareInstall, prepareRemove } from '../../actions/manifest/prepare.ts'
import { type Manifest, readManifest } from '../../actions/manifest/read-manifests.ts'

export type File = { content: string | Buffer; mode?: number }
export type Files = Readonly<Record<string, string | File>>

export function temporary(): { path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'cordon-manifest-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

export function writeTree(root: string, files: Files): void {
  for (const [path, file] of Object.entries(files)) {
    const { content, mode = 0o644 } = typeof file === 'string' ? { content: file } : file
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
    chmodSync(join(root, path), mode)
  }
}

/** One line a file, folder and link, with its mode and owner. */
export function snapshot(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return ['.', ...names].map((name) => {
    const place = join(root, name)
    const stat = lstatSync(place)
    const held = stat.isFile()
      ? readFileSync(place, 'latin1')
      : stat.isSymbolicLink()
        ? `-> ${readlinkSync(place)}`
        : ''
    const rights = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid}`
    return `${name} ${rights} ${JSON.stringify(held)}`
  })
}

/** A manifest called `demo`, with the files of its folder. */
export function writeManifest(folder: string, yaml: string, files: Files = {}): Manifest {
  rmSync(join(folder, 'demo'), { recursive: true, force: true })
  writeTree(join(folder, 'demo'), { 'manifest.yaml': yaml, ...files })
  return readManifest('demo', folder)
}

export const who = { me: process.geteuid?.(), now: Date.parse('2026-03-01T12:00:00Z') }

export type Choice = {
  parts?: readonly string[]
  values?: Readonly<Record<string, string>>
  force?: boolean
  disk?: Disk
}

export function prepare(manifest: Manifest, dest: string, choice: Choice = {}) {
  const { parts = [], values = {}, force = false } = choice
  return prepareInstall({ manifest, parts, values, dest, force }, who)
}

export function install(manifest: Manifest, dest: string, choice: Choice = {}) {
  const { parts = [], values = {}, force = false, disk = openDisk(dest) } = choice
  const again = (made?: readonly string[]) =>
    prepareInstall({ manifest, parts, values, dest, force }, who, made)
  carryOut(again(), again, disk)
}

export function remove(dest: string, { force = false, disk = openDisk(dest) }: Choice = {}) {
  const again = () => prepareRemove('demo', placeOf('demo', true, dest), force, who)
  const prepared = again()
  if (prepared === undefined) throw new Error('nothing is installed there')
  carryOut(prepared, again, disk)
}
