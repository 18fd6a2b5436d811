/** To which service this node belongs, under which name, and by what it recognises it. Kept in the state folder. */
import { join } from 'node:path'
import { z } from 'zod'
import { NodeName } from '#contract/audience.ts'
import { PublicKey } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { readState, writeState } from './state.ts'

export const Membership = z.strictObject({
  node: NodeName,
  groups: z.array(NodeName),
  url: z.string(),
  issuer: z.string(),
  /** Hex SHA-256 of the certificate's public key; absent over plain HTTP on loopback. */
  tls: z.string().optional(),
  keys: z.array(PublicKey).min(1),
  announced: z.number(),
  /** Where the service answered last: never blocked, also while its name cannot be resolved. */
  addresses: z.array(z.string()),
})
export type Membership = z.infer<typeof Membership>

/** Undefined before enrolment. Throws `setting_invalid` for a file that is not ours. */
export function readMembership(folder: string): Membership | undefined {
  const text = readState(path(folder))
  if (text === undefined) return undefined
  try {
    return Membership.parse(JSON.parse(text))
  } catch (error) {
    throw new Problem('setting_invalid', `${path(folder)} cannot be understood`, {
      remedy: 'remove the state folder and enrol the node again',
      cause: error,
    })
  }
}

export function writeMembership(folder: string, membership: Membership): void {
  writeState(path(folder), [`${JSON.stringify(membership, null, 2)}\n`])
}

/** Throws `conflict` when this machine was never enrolled. */
export function requireMembership(folder: string): Membership {
  const membership = readMembership(folder)
  if (membership) return membership
  throw new Problem('conflict', 'this node is not enrolled with any service', {
    remedy:
      'make a token with "cordon node enrol" at the service, then run "cordon agent enrol <token>" here',
  })
}

function path(folder: string): string {
  return join(folder, 'service.json')
}
