/** What is let through before it is routed, and judged again where it is known by which interface it leaves. Pure. */
import { chain, elsewhere, looksFor, type Placed, plainLooks } from './iptables-looks.ts'
import type { Family } from './iptables-program.ts'

/** Other chains lead on from it. */
export const judgingChain = 'CORDON_AGAIN'
const limitingChain = 'CORDON_AGAIN_LIMIT'

export type Chains = Readonly<Record<string, readonly string[]>>

/** What is let through before it is known whether it leaves by the interface that is allowed, and judged where it is. */
export type Again = {
  /** It fits an allow in all but the interface by which it leaves. */
  readonly looks: readonly string[]
  /** Whether there are limits to count it by then. */
  readonly limits: boolean
  readonly table: 'raw' | 'filter'
}

export function judgedAgain(family: Family, groups: readonly Placed[]): Again {
  const unknown = groups.filter(
    ({ verdict, way, interface: device, peerInterface }) =>
      verdict === 'allow' &&
      ((way === 'forward' && device !== undefined) ||
        (way !== 'forward_to' && peerInterface !== undefined)),
  )
  return {
    looks: looksFor('in', 'allow', ['forward', 'forward_from'], unknown, 'raw').map(
      (look) => `${elsewhere[family]} ${look}`,
    ),
    limits:
      unknown.length > 0 && groups.some(({ verdict, way }) => verdict === 'limit' && way === 'in'),
    // By then it is translated.
    table: unknown.length > 0 ? 'filter' : 'raw',
  }
}

/**
 * A limit is asked only about what was let through before it was counted. Whether that was so is not known of what was
 * translated since: that may count twice.
 */
export function judging(
  family: Family,
  groups: readonly Placed[],
  { looks, limits }: Again,
): Chains {
  if (looks.length === 0) return {}
  const stops = (verdict: 'drop' | 'limit') =>
    looksFor('from', verdict, ['in'], groups, 'raw').map(
      (look) => `${look} -g ${chain('from', verdict === 'drop' ? 'DROP' : 'LIMIT')}`,
    )
  const uncounted = [...looks, '-m conntrack --ctstate DNAT']
  return {
    [judgingChain]: [
      ...plainLooks(family, 'in', 'from'),
      ...stops('drop'),
      ...(limits ? uncounted.map((look) => `${look} -g ${limitingChain}`) : []),
    ],
    ...(limits ? { [limitingChain]: stops('limit') } : {}),
  }
}
