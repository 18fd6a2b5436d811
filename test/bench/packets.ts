/** What blocks cost the traffic: packets a second, and the time of an echo, against one iptables rule for each address. */

import { fill, openFirewall, type Size, sizeNames, sizes } from './blocks.ts'
import { type Figure, percentile, rounded, unmeasured } from './figure.ts'
import { blockLinearly, iptablesMissing, iptablesVersion, unblockLinearly } from './linear.ts'
import { pause } from './load.ts'
import { openReceivers, type Receivers } from './receivers.ts'
import { clean, type Effort, floodMs, inTurns, type Rate, type Round } from './rounds.ts'

const usual: Effort = { rounds: 25, echoes: 50 }
/** Where a packet is compared with a million rules, it takes some milliseconds. */
const linearEffort: Partial<Record<Size, Effort>> = {
  '100k': { rounds: 9, echoes: 30 },
  '1m': { rounds: 5, echoes: 10 },
}

export async function measurePackets(wanted: readonly Size[] = sizeNames): Promise<Figure[]> {
  const receivers = await openReceivers()
  try {
    return [...(await ours(receivers, wanted)), ...(await linear(receivers, wanted))]
  } finally {
    await receivers.close()
  }
}

async function ours(receivers: Receivers, wanted: readonly Size[]): Promise<Figure[]> {
  const { before, here, bare } = receivers
  const firewall = await openFirewall()
  const figures: Figure[] = []
  try {
    receivers.copyTable()
    const measured = (blocked: number) => inTurns({ before, after: here, bare, blocked }, usual)
    // The sender's code is compiled, and the caches are filled.
    await measured(0)
    let held = 0
    for (const size of wanted) {
      await fill(firewall, held, sizes[size])
      held = sizes[size]
      // The kernel spreads a set that has grown over more room in the background.
      await pause(1_500)
      const rounds = await measured(held)
      figures.push(...(held === 0 ? empty(rounds) : loaded(size, rounds)))
    }
    return figures
  } finally {
    await firewall.clear()
    await firewall.close()
  }
}

/** What the table itself costs, and how alike two receivers are that have the same. */
function empty(rounds: readonly Round[]): Figure[] {
  const same = rounds.map((round) => round.after / round.before)
  return [
    ratio('clean_traffic_ratio_0', rounds, ['after', 'bare'], {
      what: 'the table with no block ÷ no table',
      how: `${method}; two such tables compared: ${rounded(percentile(same, 0.5))}, ${spread(same)}`,
    }),
    added('round_trip_added_us_0', rounds),
  ]
}

function loaded(size: Size, rounds: readonly Round[]): Figure[] {
  return [
    ratio(`clean_traffic_ratio_${size}`, rounds, ['after', 'before'], {
      goal: size === '100k' ? '>= 0.9' : '',
      what: 'let through ÷ let through with no block',
    }),
    ratio(`drop_rate_ratio_${size}`, rounds, ['dropped', 'bare'], {
      what: 'of blocked sources dropped ÷ let through without any filter',
    }),
    added(`round_trip_added_us_${size}`, rounds),
  ]
}

async function linear(receivers: Receivers, wanted: readonly Size[]): Promise<Figure[]> {
  const missing = iptablesMissing()
  if (missing) return [unmeasured('linear_clean_traffic_ratio_10k', missing)]
  const { here, bare } = receivers
  const figures: Figure[] = []
  for (const size of wanted.filter((one) => one !== '0')) {
    blockLinearly(sizes[size])
    const course = { before: bare, after: here, bare, blocked: sizes[size] }
    const rounds = await inTurns(course, linearEffort[size] ?? usual).finally(unblockLinearly)
    figures.push(...linearly(size, rounds))
  }
  return figures
}

function linearly(size: Size, rounds: readonly Round[]): Figure[] {
  return [
    ratio(`linear_clean_traffic_ratio_${size}`, rounds, ['after', 'before'], {
      what: 'let through ÷ let through without rules',
      how: `${iptablesVersion()}, one rule an address`,
    }),
    ratio(`linear_drop_rate_ratio_${size}`, rounds, ['dropped', 'bare'], {
      what: 'dropped ÷ let through without rules',
      how: `sources of the first ${clean.sources} rules`,
    }),
    added(`linear_round_trip_added_us_${size}`, rounds),
  ]
}

const method = `UDP of 46 bytes from ${clean.sources} sources over veth, counted by the kernel, sender and receiver on one core; what is compared gets floods of ${floodMs} ms in turn, and what counts is the median of the ratios of all rounds`

/** The median of the ratios of all rounds. */
function ratio(
  name: string,
  rounds: readonly Round[],
  [over, under]: [Rate, Rate],
  { goal = '', what, how }: { goal?: string; what: string; how?: string },
): Figure {
  const all = rounds.map((round) => round[over] / round[under])
  const rates = `${kilo(rounds, over)} of ${kilo(rounds, under)}`
  const detail = `${what}: ${rates}, ${spread(all)}${how === undefined ? '' : `; ${how}`}`
  return { name, value: rounded(percentile(all, 0.5)), unit: '×', goal, detail }
}

/** The median of the differences of all rounds. */
function added(name: string, rounds: readonly Round[]): Figure {
  const all = rounds.map(({ echoBefore, echoAfter }) => echoAfter - echoBefore)
  const [after, before] = [middle(rounds, 'echoAfter'), middle(rounds, 'echoBefore')]
  const detail = `median echo ${rounded(after)} µs, ${rounded(before)} before; ${spread(all)}`
  return { name, value: rounded(percentile(all, 0.5)), unit: 'µs', goal: '', detail }
}

function spread(all: readonly number[]): string {
  const [low = 0, high = 0] = [0.25, 0.75].map((share) => rounded(percentile(all, share)))
  return `the middle half of ${all.length} rounds ${low} to ${high}`
}

function kilo(rounds: readonly Round[], rate: Rate): string {
  return `${rounded(middle(rounds, rate) / 1_000)} k/s`
}

function middle(rounds: readonly Round[], of: keyof Round): number {
  return percentile(
    rounds.map((round) => round[of]),
    0.5,
  )
}
