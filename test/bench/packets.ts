/** What blocks cost the traffic: packets a second, and the time of an echo, against one iptables rule for each address. */

import { fill, firstClean, openFirewall, type Size, sizeNames, sizes } from './blocks.ts'
import { delivered, unreadSocket } from './delivered.ts'
import { type Figure, percentile, rounded, unmeasured } from './figure.ts'
import { targetPort } from './frames.ts'
import { blockLinearly, iptablesMissing, iptablesVersion, unblockLinearly } from './linear.ts'
import { pause } from './load.ts'
import { openSender, type Sender } from './sender.ts'

const clean = { first: firstClean, sources: 16_384 }
const roundMs = 100
type Effort = { rounds: number; echoes: number }
const usual: Effort = { rounds: 11, echoes: 2_000 }
/** A thousand packets, the least that is sent, take seconds where each is compared with a million rules. */
const linearEffort: Partial<Record<Size, Effort>> = {
  '100k': { rounds: 5, echoes: 500 },
  '1m': { rounds: 1, echoes: 50 },
}

/** Packets a second that were let through, those of blocked sources that were not, and the median echo in µs. */
type Cost = { clean: number; dropped: number; echo: number; effort: Effort }

export async function measurePackets(wanted: readonly Size[] = sizeNames): Promise<Figure[]> {
  const sender = await openSender()
  const close = unreadSocket(targetPort)
  try {
    // The sender's code is compiled, and the caches are filled.
    await sender.flood(clean.first, clean.sources, 500)
    await sender.roundTrips(clean.first, usual.echoes)
    const nothing = await cost(sender, 0)
    return [...(await ours(sender, nothing, wanted)), ...(await linear(sender, nothing, wanted))]
  } finally {
    close()
    await sender.close()
  }
}

async function ours(sender: Sender, nothing: Cost, wanted: readonly Size[]): Promise<Figure[]> {
  const firewall = await openFirewall()
  const figures: Figure[] = []
  try {
    let none = nothing
    let held = 0
    for (const size of wanted) {
      await fill(firewall, held, sizes[size])
      held = sizes[size]
      // The kernel spreads a set that has grown over more room in the background.
      await pause(1_500)
      const now = await cost(sender, held)
      if (held === 0) none = now
      figures.push(...(held === 0 ? empty(now, nothing) : loaded(size, now, none, nothing)))
    }
    return figures
  } finally {
    await firewall.clear()
    await firewall.close()
  }
}

/** What the table itself costs. */
function empty(now: Cost, nothing: Cost): Figure[] {
  const detail = `the table with no block ÷ no table: ${kilo(now.clean)} of ${kilo(nothing.clean)}; ${method}`
  return [
    figure('clean_traffic_ratio_0', now.clean / nothing.clean, '×', '', detail),
    figure('round_trip_added_us_0', now.echo - nothing.echo, 'µs', '', echoDetail(now, nothing)),
  ]
}

function loaded(size: Size, now: Cost, none: Cost, nothing: Cost): Figure[] {
  const goal = size === '100k' ? '>= 0.9' : ''
  const passed = `${kilo(now.clean)} let through, ${kilo(none.clean)} with no block`
  const stopped = `${kilo(now.dropped)} of blocked sources dropped ÷ ${kilo(nothing.clean)} let through without any filter`
  return [
    figure(`clean_traffic_ratio_${size}`, now.clean / none.clean, '×', goal, passed),
    figure(`drop_rate_ratio_${size}`, now.dropped / nothing.clean, '×', '', stopped),
    figure(`round_trip_added_us_${size}`, now.echo - none.echo, 'µs', '', echoDetail(now, none)),
  ]
}

async function linear(sender: Sender, nothing: Cost, wanted: readonly Size[]): Promise<Figure[]> {
  const missing = iptablesMissing()
  if (missing) return [unmeasured('linear_clean_traffic_ratio_10k', missing)]
  const figures: Figure[] = []
  for (const size of wanted.filter((one) => one !== '0')) {
    blockLinearly(sizes[size])
    const now = await cost(sender, sizes[size], linearEffort[size]).finally(unblockLinearly)
    figures.push(...linearly(size, now, nothing))
  }
  return figures
}

function linearly(size: Size, now: Cost, nothing: Cost): Figure[] {
  const rate = `${kilo(now.clean)} let through, ${kilo(nothing.clean)} without rules`
  const passed = `${rate}; ${iptablesVersion()}, one rule an address, rounds: ${now.effort.rounds}`
  const stopped = `${kilo(now.dropped)} dropped ÷ ${kilo(nothing.clean)} let through without rules; sources of the first ${clean.sources} rules`
  const added = now.echo - nothing.echo
  return [
    figure(`linear_clean_traffic_ratio_${size}`, now.clean / nothing.clean, '×', '', passed),
    figure(`linear_drop_rate_ratio_${size}`, now.dropped / nothing.clean, '×', '', stopped),
    figure(`linear_round_trip_added_us_${size}`, added, 'µs', '', echoDetail(now, nothing)),
  ]
}

/** With so many of the first attackers blocked. */
async function cost(sender: Sender, blocked: number, effort = usual): Promise<Cost> {
  const dirty = { first: 0, sources: Math.min(blocked, clean.sources) }
  const rates: { clean: number; dropped: number }[] = []
  for (let round = 0; round < effort.rounds; round++)
    rates.push({
      clean: (await flood(sender, clean)).through,
      dropped: blocked > 0 ? await mustDrop(sender, dirty) : 0,
    })
  return {
    clean: percentile(
      rates.map((rate) => rate.clean),
      0.5,
    ),
    dropped: percentile(
      rates.map((rate) => rate.dropped),
      0.5,
    ),
    echo: percentile(await sender.roundTrips(clean.first, effort.echoes), 0.5),
    effort,
  }
}

type Sources = { first: number; sources: number }

async function mustDrop(sender: Sender, from: Sources): Promise<number> {
  const { through, stopped } = await flood(sender, from)
  if (through > 0) throw new Error(`${through} packets a second of blocked sources came through`)
  return stopped
}

/** Packets a second. */
async function flood(sender: Sender, { first, sources }: Sources) {
  const before = delivered()
  const { sent, peak } = await sender.flood(first, sources, roundMs)
  const through = (delivered() - before) / sent
  return { through: peak * through, stopped: peak * (1 - through) }
}

const method = `UDP of 46 bytes from ${clean.sources} sources over veth, counted by the kernel, sender and receiver on one core, median of ${usual.rounds} rounds of ${roundMs} ms`

function echoDetail(now: Cost, before: Cost): string {
  return `median echo ${rounded(now.echo)} µs, ${rounded(before.echo)} before, n=${now.effort.echoes}`
}

function kilo(rate: number): string {
  return `${rounded(rate / 1_000)} k/s`
}

function figure(name: string, value: number, unit: string, goal: string, detail: string): Figure {
  return { name, value: rounded(value), unit, goal, detail }
}
