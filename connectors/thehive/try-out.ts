/** Whether all is there that questions in TheHive need: the platform, its version, the key and what it may do. Only reads. */
import type { Finding } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { findInOrder } from '../find.ts'
import { placeOf, reach } from '../reach.ts'
import { type Account, openTheHive } from './client.ts'
import { readUrl } from './request.ts'
import type { Settings } from './settings.ts'

/** A whole group stands for each of its parts. */
const needed = ['manageAlert/create', 'manageAlert/update', 'manageComment']
/** Without it an answer by status that cannot be taken closes the question in TheHive. */
const useful = 'manageAlert/reopen'

export function tryOut(settings: Settings, stop: AbortSignal): Promise<Finding[]> {
  const hive = () => openTheHive(settings)
  return findInOrder([
    { what: 'settings', find: () => hive() && `TheHive at ${new URL(readUrl(settings)).host}` },
    {
      what: 'host',
      find: () => reach(placeOf(new URL(readUrl(settings)), settings.ca), settings.timeout, stop),
    },
    { what: 'version', find: async () => versionFound(await hive().version(stop)) },
    { what: 'key', find: async () => accountFound(await hive().account(stop), settings) },
    {
      what: 'questions',
      find: async () => `${(await hive().unsettled(stop)).length} are open there`,
    },
  ])
}

function versionFound(version: string | undefined): string {
  if (version === undefined) return 'it answers, and does not tell its version'
  const shown = printable(version, 30)
  if (Number.parseInt(version, 10) >= 5) return shown
  throw new Problem('unsupported', `it is TheHive ${shown}`, { remedy: 'use TheHive 5.0 or later' })
}

function accountFound(
  { login, organisation, permissions }: Account,
  { organisation: wanted }: Settings,
): string {
  const where = organisation ?? 'its organisation'
  if (wanted !== undefined && organisation !== undefined && organisation !== wanted)
    throw new Problem('forbidden', `the account is in ${printable(where, 60)}, not in ${wanted}`, {
      remedy: 'add the account to that organisation in TheHive, or change organisation',
    })
  const has = (right: string) =>
    permissions.some((held) => right === held || right.startsWith(`${held}/`))
  const missing = needed.filter((right) => !has(right))
  if (permissions.length > 0 && missing.length > 0)
    throw new Problem('forbidden', `the account lacks ${missing.join(', ')}`, {
      remedy: 'give it a profile with these permissions, such as analyst',
    })
  const reopens = has(useful) ? '' : `; without ${useful} an answer by status is final there`
  return printable(`${login} in ${where}${reopens}`, 200)
}
