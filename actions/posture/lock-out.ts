/** Whom a posture would keep from administering: found before it is applied. Pure. */
import { type Address, contains, readAddress } from '#contract/address.ts'
import type { Posture, PostureRule } from '#contract/posture.ts'

/** The ports that people administer by. */
const adminPorts = [22] as const

const home = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fc00::/7',
  'fe80::/10',
].map(readAddress)

type Networks = ReadonlyMap<string, readonly Address[]>

/** Sentences; none when nobody is known to be shut out. What a node protects is known on the node alone. */
export function lockOuts(
  posture: Posture,
  networks: Networks,
  admins: readonly Address[],
): string[] {
  const shut = adminPorts.flatMap((port) =>
    admins.flatMap((admin) => {
      const by = closedBy(posture, networks, port, admin)
      return by === undefined
        ? []
        : [`tcp port ${port} would be closed for ${admin.text}, where you are: ${by}`]
    }),
  )
  const general = adminPorts.flatMap((port) => narrowedBy(posture, port))
  return [...shut, ...general]
}

/**
 * By what a new connection of the address to the port is dropped, at any time of the week: rules that let in at times are
 * passed over, those that close at times are not.
 */
function closedBy(
  posture: Posture,
  networks: Networks,
  port: number,
  from: Address,
): string | undefined {
  const within = (codes: readonly string[]) =>
    codes.some((code) => networks.get(code)?.some((network) => contains(network, from)))
  const about = posture.rules.filter((rule) => concerns(rule, port))
  for (const rule of about) {
    if (rule.rule !== 'country') continue
    const inside = within(rule.countries)
    const isHome = home.some((network) => contains(network, from))
    if (rule.mode === 'deny' ? inside : !inside && !isHome) return `rule "${rule.name}"${at(rule)}`
  }
  for (const rule of about) {
    if (rule.rule !== 'service') continue
    const fits =
      !rule.from ||
      within(rule.from.countries) ||
      rule.from.networks.some((text) => contains(readAddress(text), from))
    if (!fits) continue
    if (rule.verdict !== 'accept') return `rule "${rule.name}"${at(rule)}`
    if (!rule.during && rule.interface === undefined) return undefined
  }
  return posture.default === 'drop' ? 'no rule accepts it, and the default is drop' : undefined
}

/** Said to everybody, since a service knows not from where its people administer. */
function narrowedBy(posture: Posture, port: number): string[] {
  const about = posture.rules.filter((rule) => concerns(rule, port))
  const countries = about.flatMap((rule) =>
    rule.rule === 'country'
      ? [
          `tcp port ${port} is closed ${rule.mode === 'deny' ? 'for' : 'for all but'} ${rule.countries.join(', ')} by "${rule.name}": who administers from elsewhere needs to be in admin_networks of the node`,
        ]
      : [],
  )
  const accepted = about.some((rule) => rule.rule === 'service' && rule.verdict === 'accept')
  if (posture.default !== 'drop' || accepted) return countries
  return [
    ...countries,
    `the default is drop and no service accepts tcp port ${port}: it is open for admin_networks of each node only, and for logins that stand`,
  ]
}

function concerns(rule: PostureRule, port: number): boolean {
  if (rule.rule === 'state' || rule.way === 'forwarded') return false
  if (rule.protocol !== undefined && rule.protocol !== 'tcp') return false
  return rule.ports?.some((range) => isIn(range, port)) ?? true
}

function isIn(range: string, port: number): boolean {
  const [low = 0, high = low] = range.split('-').map(Number)
  return port >= low && port <= high
}

function at({ during }: Exclude<PostureRule, { rule: 'state' }>): string {
  return during ? `, during ${during.times} (${during.zone})` : ''
}
