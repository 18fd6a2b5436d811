/** Names of users and groups to the numbers that files carry, by the files of the root that is written to. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '#contract/problem.ts'

type Owned = { owner: string | undefined; group: string | undefined }

/** What is left out stays as it is, or is whoever installs. Throws `not_found` for a name that nobody has. */
export type Owners = (wish: Owned) => { uid?: number; gid?: number }

export type Accounts = {
  owners: Owners
  /** Why owners are left out, where they are. */
  why: string | undefined
  /** The name of a user or group, else its number. */
  user(id: number): string
  group(id: number): string
}

/** `me` is the number of the user who installs, undefined where the system has no users. */
export function readAccounts(root: string, me: number | undefined): Accounts {
  const users = readNames(join(root, 'etc/passwd'))
  const groups = readNames(join(root, 'etc/group'))
  const user = (id: number) => nameOf(id, users)
  const group = (id: number) => nameOf(id, groups)
  if (me !== 0) return { owners: () => ({}), why: 'only root may give files away', user, group }
  if (root !== '/' && (users === undefined || groups === undefined))
    return { owners: () => ({}), why: `${root} has no users of its own`, user, group }
  return {
    owners: ({ owner, group: name }) => ({
      ...(owner === undefined ? {} : { uid: numberOf('user', owner, users) }),
      ...(name === undefined ? {} : { gid: numberOf('group', name, groups) }),
    }),
    why: undefined,
    user,
    group,
  }
}

type Names = ReadonlyMap<string, number>

function readNames(path: string): Names | undefined {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    const fields = lines.map((line) => line.split(':'))
    return new Map(fields.map(([name = '', , id = '']) => [name, Number(id)]))
  } catch {
    return undefined
  }
}

function numberOf(kind: 'user' | 'group', name: string, names: Names | undefined): number {
  const id = /^\d+$/.test(name) ? Number(name) : names?.get(name)
  if (id !== undefined) return id
  throw new Problem('not_found', `there is no ${kind} ${name} on this machine`, {
    remedy: 'install the product first; it makes the users and groups that its files belong to',
  })
}

function nameOf(id: number, names: Names | undefined): string {
  for (const [name, number] of names ?? []) if (number === id) return name
  return String(id)
}
