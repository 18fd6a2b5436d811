/** Whether this node can hold what a statement says: what it does not understand or cannot do is refused as a whole. */
import { type PostureClaims, readPosture } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import type { HeldPosture, PostureMemory } from './posture-memory.ts'

export type FitsOn = {
  memory: PostureMemory
  /** Undefined for a back end that cannot express them. */
  table: PostureTable | undefined
  /** Networks of all countries together. */
  mostNetworks: number
}

/** Null for none from now on. Throws `unsupported`, `ceiling_reached`. */
export function readHeld(claims: PostureClaims, on: FitsOn): HeldPosture | null {
  const { aud: audience, version, confirm } = claims
  const posture = readPosture(claims.posture)
  if (!posture) return null
  const held = { audience, version, confirm, posture }
  refuseUnfit(held, on)
  return held
}

/** Whether all networks that it names are on the disk as they were. */
export function isWhole({ posture }: HeldPosture, memory: PostureMemory): boolean {
  const chunks = posture.countries.flatMap((country) => country.chunks)
  return chunks.every((digest) => memory.chunks.read(digest) !== undefined)
}

function refuseUnfit({ audience, posture }: HeldPosture, on: FitsOn): void {
  const { table, memory, mostNetworks } = on
  if (!table)
    throw new Problem('unsupported', 'the firewall of this node cannot express standing rules', {
      remedy: 'use nftables on this node, or leave it out of this group',
    })
  const why = table.refuses?.(posture)
  if (why !== undefined)
    throw new Problem('unsupported', why, {
      remedy: 'use nftables on this node, leave it out of this group, or leave that out',
    })
  const others = [...memory.confirmed.values()].filter((one) => one.audience !== audience)
  const total = [...others.map((one) => one.posture), posture]
    .flatMap(({ countries }) => countries)
    .reduce((sum, { entries }) => sum + entries, 0)
  if (total > mostNetworks)
    throw new Problem(
      'ceiling_reached',
      `the countries hold ${total} networks, this node takes ${mostNetworks}`,
      { remedy: 'raise CORDON_AGENT_MAX_FEED_ENTRIES, or name fewer countries' },
    )
}
