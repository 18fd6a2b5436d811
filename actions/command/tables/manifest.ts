/** The commands that put manifests into other products. */
import type { Argument, Command, Option } from '../command.ts'

const host: Argument = { name: 'host', description: 'the product, as "manifest list" names it' }
const dest: Option = {
  name: 'dest',
  value: 'DIR',
  description: 'root to install below; / or ./cordon-HOST when not set, as the part says',
}
const careful: readonly Option[] = [
  { name: 'yes', description: 'do it without being asked' },
  { name: 'dry-run', description: 'only show what would change' },
  { name: 'force', description: 'also take what a person changed since' },
]
export const manifests: readonly Command[] = [
  {
    words: ['manifest', 'list'],
    summary: 'List the products that Cordon can be dropped into, and what is installed here',
    arguments: [],
    options: [dest],
    example: 'manifest list',
    more: 'Says also what a person changed since, and what is of an older version.',
    load: async () => (await import('../manifest-list.ts')).listManifests,
  },
  {
    words: ['manifest', 'show'],
    summary: 'Show what a manifest installs where, its settings, and its page for people',
    arguments: [host],
    options: [],
    example: 'manifest show systemd',
    load: async () => (await import('../manifest-list.ts')).showManifest,
  },
  {
    words: ['manifest', 'install'],
    summary: 'Show the diff of what a product gets, ask, and write it with its modes and owners',
    arguments: [host],
    options: [
      { name: 'part', value: 'PART', description: 'what belongs on this machine', many: true },
      dest,
      { name: 'set', value: 'NAME=VALUE', description: 'a setting of the manifest', many: true },
      ...careful,
    ],
    example: 'manifest install systemd --part service --set listen=192.0.2.10:8055',
    more: 'Nothing is written when something fails half way. The same again changes nothing, and a newer version upgrades. Settings and parts are remembered. Exit code 3 when something would change and nothing was done.',
    load: async () => (await import('../manifest.ts')).installManifest,
  },
  {
    words: ['manifest', 'remove'],
    summary: 'Put back, to the byte, what was there before a manifest was installed',
    arguments: [host],
    options: [dest, ...careful],
    example: 'manifest remove systemd --dry-run',
    more: 'What a person changed since stays and is shown, and then nothing is removed; --force takes it too. Exit code 3 when something would change and nothing was done.',
    load: async () => (await import('../manifest.ts')).removeManifest,
  },
]
