/** How a look-up of scoped orders reads in nft: a key of headers and interfaces, by the side that a packet is judged by. Pure. */
import { portProtocols } from '#contract/action.ts'
import { type Field, numbers, type ScopedSet } from './scoped.ts'
import { allowing, isFrom, type Spot } from './scoped-spots.ts'

/**
 * One for each interface that may be meant. What counts a packet by the one must not by the other too: a look-up that is
 * turned round counts nothing.
 */
export function lookUps(
  spot: Spot,
  set: ScopedSet,
  known: Headers = headers(spot, set.family),
): string[] {
  const { verdict, way, fields, gate, name, counts } = set
  const sides = isFrom(spot) ? (['iifname', 'oifname'] as const) : (['oifname', 'iifname'] as const)
  const [near, far] = sides
  const key = (of: readonly Field[], device: string) =>
    of.map((field) => ({ ...known, interface: device, beyond: far })[field]).join(' . ')
  if (gate !== undefined) {
    const asked = fields.map((field) => (field === 'interface' ? 'beyond' : field))
    return [`${key(asked, near)} @${gate} ${look(key(fields, near))}`]
  }
  const either = way === 'forward' && fields.includes('interface') && !fields.includes('beyond')
  if (!either) return [look(key(fields, near))]
  const [one, other] = [key(fields, 'iifname'), key(fields, 'oifname')]
  return [look(one), counts ? `${one} != @${name} ${look(other)}` : look(other)]

  function look(text: string): string {
    return verdict === 'limit' && !counts ? `limit name ${text} map @${name}` : `${text} @${name}`
  }
}

type Headers = Record<Exclude<Field, 'interface' | 'beyond'>, string>

function headers(spot: Spot, family: 4 | 6): Headers {
  const ip = family === 4 ? 'ip' : 'ip6'
  return {
    address: addressOf(spot, family),
    peer: `${ip} ${isFrom(spot) ? 'daddr' : 'saddr'}`,
    protocol: 'meta l4proto',
    to_port: 'th dport',
    from_port: 'th sport',
  }
}

export function addressOf(spot: Spot, family: 4 | 6): string {
  return `${family === 4 ? 'ip' : 'ip6'} ${isFrom(spot) ? 'saddr' : 'daddr'}`
}

/**
 * Look-ups of those who are allowed to come, where what is addressed to this node is translated already: what the sender
 * addressed is known of the connection. What passes through is looked up as it passes.
 */
export function letIn(hook: 'input' | 'forward', sets: readonly ScopedSet[]): string[] {
  const spot = hook === 'input' ? 'in' : 'from'
  return allowing(spot, sets)
    .filter(({ way }) => spot === 'from' || way === 'in')
    .flatMap((set) => {
      if (set.way !== 'in') return lookUps(spot, set)
      // nft reads a port of a connection only after it was said that there are ports.
      const ported = set.fields.includes('to_port') ? `meta l4proto { ${portNumbers} } ` : ''
      return lookUps(spot, set, addressed(set.family)).map((look) => `${ported}${look}`)
    })
}

const portNumbers = portProtocols.map((name) => numbers[name]).join(', ')

function addressed(family: 4 | 6): Headers {
  const peer = `ct original ${family === 4 ? 'ip' : 'ip6'} daddr`
  return { ...headers('in', family), peer, to_port: 'ct original proto-dst' }
}
