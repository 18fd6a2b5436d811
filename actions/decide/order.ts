/** What every block must pass, whoever asks for it: the limits that no rule and no person goes beyond. */
import { type Address, addressScope, contains, overlaps, readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Facts } from './facts.ts'

/** The shortest prefixes that a person may order: wider is a mistake, not a block. */
export const widestByHand = { 4: 8, 6: 16 } as const

/** A network that is never blocked, and why. */
export type Protection = { readonly address: Address; readonly why: string }

type Shield = {
  policy: { readonly protect: readonly Protection[] }
  facts: Pick<Facts, 'own' | 'sheltered'>
}

/**
 * The canonical target of a block by hand or of an approval; the ceilings of the policy are for rules and
 * do not bind here. Throws `address_invalid`, `too_wide` or `protected_target`.
 */
export function checkOrder({ target, policy, facts }: Shield & { target: string }): Address {
  const address = readAddress(target)
  const widest = widestByHand[address.family]
  if (address.prefix < widest)
    throw new Problem('too_wide', `${address.text} is wider than /${widest}`, {
      remedy: `block networks of /${widest} or longer, one by one`,
    })
  const scope = addressScope(address)
  if (scope === 'special')
    throw new Problem('protected_target', `${address.text} holds addresses of no single host`, {
      remedy: 'loopback, link-local, multicast and reserved ranges are never blocked',
    })
  const protection = protectionOf(address, { policy, facts })
  if (protection === undefined) return address
  throw new Problem(
    'protected_target',
    `${address.text} overlaps ${protection.address.text}, which is protected: ${protection.why}`,
    {
      remedy:
        'choose a target beside it, or take the entry out of protect in the policy, or of "cordon sheltered list"; what belongs to the service stays',
    },
  )
}

/**
 * The canonical target of an allow by hand, which is never wider than what a rule may block. What is never blocked needs
 * none. Throws `address_invalid`, `too_wide` or `protected_target`.
 */
export function checkAllow({
  target,
  policy,
  facts,
}: Shield & { target: string; policy: { readonly ceilings: Ceilings } }): Address {
  const address = readAddress(target)
  const { ceilings } = policy
  const widest = address.family === 4 ? ceilings.ipv4_prefix : ceilings.ipv6_prefix
  if (address.prefix < widest)
    throw new Problem('too_wide', `${address.text} is wider than the ceiling of /${widest}`, {
      remedy: `allow networks of /${widest} or longer, one by one; what is never to be blocked belongs into protect`,
    })
  const protection = protectionOf(address, { policy, facts })
  const never = 'nothing has to be allowed'
  if (protection && contains(protection.address, address))
    throw new Problem(
      'protected_target',
      `${address.text} is never blocked anyway: ${protection.address.text} is protected (${protection.why})`,
      { remedy: never },
    )
  if (addressScope(address) !== 'special') return address
  throw new Problem(
    'protected_target',
    `${address.text} is never blocked anyway: it holds addresses of no single host`,
    { remedy: never },
  )
}
type Ceilings = { readonly ipv4_prefix: number; readonly ipv6_prefix: number }

/** The first protected network that shares any host with the address. */
export function protectionOf(address: Address, { policy, facts }: Shield): Protection | undefined {
  const shares = (protection: Protection) => overlaps(protection.address, address)
  return (
    policy.protect.find(shares) ??
    ownNetworks(facts.own).find(shares) ??
    sheltered(facts.sheltered).find(shares)
  )
}

/** How long the next block of a repeat offender lasts: times factor for each offence, up to the ceiling. */
export function blockLength(
  lengthMs: number,
  escalate: { factor: number; ceilingMs: number } | undefined,
  offences: number,
): number {
  if (escalate === undefined) return lengthMs
  const longer = lengthMs * escalate.factor ** Math.max(0, offences)
  return Math.round(Math.max(lengthMs, Math.min(longer, escalate.ceilingMs)))
}

const shelteredRead = new WeakMap<Facts['sheltered'], Protection[]>()

function sheltered(entries: Facts['sheltered']): Protection[] {
  const known = shelteredRead.get(entries)
  if (known) return known
  const read = entries.map(({ address, why }) => ({ address: readAddress(address), why }))
  shelteredRead.set(entries, read)
  return read
}

// The same list comes with every alert; reading it each time would cost more than all the rules.
const ownRead = new WeakMap<readonly string[], Protection[]>()

function ownNetworks(own: readonly string[]): Protection[] {
  const known = ownRead.get(own)
  if (known) return known
  const why = 'it belongs to the machine of this service'
  const read = own.map((text) => ({ address: readAddress(text), why }))
  ownRead.set(own, read)
  return read
}
