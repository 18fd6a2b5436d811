/** One block more, one fewer and many at once, by what is in force, against a program that is started for each. */
import { fill, openFirewall, type Size, sizeNames, sizes } from './blocks.ts'
import { type Figure, rounded, unmeasured } from './figure.ts'
import { kernelBytes } from './kernel-bytes.ts'
import { blockLinearly, iptablesMissing, iptablesVersion, unblockLinearly } from './linear.ts'
import { pause } from './load.ts'
import { type Cost, costOf, iptablesWay, many, nftWay, ourWay } from './ways.ts'

export async function measureChanges(wanted: readonly Size[] = sizeNames): Promise<Figure[]> {
  const firewall = await openFirewall()
  const figures: Figure[] = []
  try {
    const way = ourWay(firewall)
    // The code is compiled first.
    for (let round = 0; round < 4; round++) await costOf(way)
    await firewall.replace([])
    const none = await costOf(way)
    figures.push(...first(none), ...versus('nft', '0', await costOf(nftWay), none))
    for (const size of wanted.filter((one) => one !== '0')) {
      await firewall.replace([])
      await pause(500)
      const before = kernelBytes()
      await fill(firewall, 0, sizes[size])
      await pause(500)
      const bytes = (kernelBytes() - before) / sizes[size]
      const now = await costOf(way)
      figures.push(...ratios(size, now, none))
      // Fewer are lost in what else the machine does with its memory.
      if (sizes[size] >= 100_000) figures.push(...memory(size, bytes))
      figures.push(...versus('nft', size, await costOf(nftWay), now))
    }
    return [...figures, ...(await linear(none))]
  } finally {
    await firewall.clear()
    await firewall.close()
  }
}

function first(none: Cost): Figure[] {
  const detail = 'median, confirmed by the kernel, none in force'
  return [
    figure('one_add_us_0', none.add * 1_000, 'µs', '', detail),
    figure('one_delete_us_0', none.delete * 1_000, 'µs', '', detail),
    figure('bulk_add_us_0', perBlock(none), 'µs', '', `each of ${many} at once, ${detail}`),
  ]
}

function ratios(size: Size, now: Cost, none: Cost): Figure[] {
  const goal = size === '1m' ? '<= 2' : ''
  const of = (a: number, b: number) =>
    `median ${micro(a)} with ${size} in force, ${micro(b)} with none`
  return [
    figure(`one_add_at_${size}_ratio`, now.add / none.add, '×', goal, of(now.add, none.add)),
    figure(
      `one_delete_at_${size}_ratio`,
      now.delete / none.delete,
      '×',
      goal,
      of(now.delete, none.delete),
    ),
    figure(
      `bulk_add_at_${size}_ratio`,
      now.bulk / none.bulk,
      '×',
      '',
      `${rounded(perBlock(now))} µs each of ${many} at once, ${rounded(perBlock(none))} µs with none in force`,
    ),
  ]
}

function memory(size: Size, bytes: number): Figure[] {
  const detail = 'slabs, larger pieces and per processor, more than before, of the whole machine'
  return [figure(`kernel_bytes_per_block_${size}`, bytes, 'B', '', detail)]
}

/** How many times as long a started program takes. */
function versus(program: string, size: Size, theirs: Cost, ours: Cost): Figure[] {
  const at = `with ${size} in force: `
  const of = (a: number, b: number) =>
    `${at}${micro(a)} by ${program}, started for it, ${micro(b)} by us`
  const figures = [
    figure(
      `one_add_vs_${program}_spawn_${size}`,
      theirs.add / ours.add,
      '×',
      '',
      of(theirs.add, ours.add),
    ),
    figure(
      `one_delete_vs_${program}_spawn_${size}`,
      theirs.delete / ours.delete,
      '×',
      '',
      of(theirs.delete, ours.delete),
    ),
    figure(
      `bulk_add_vs_${program}_spawn_${size}`,
      (theirs.add * many) / ours.bulk,
      '×',
      '',
      `${at}${many} by ${program}, started for each, would take ${rounded((theirs.add * many) / 1_000)} s (${many} times the median of one), by us ${rounded(ours.bulk)} ms`,
    ),
  ]
  if (Number.isNaN(theirs.bulk)) return figures
  const file = `${at}${many} by one ${program} -f ${rounded(theirs.bulk)} ms, by us ${rounded(ours.bulk)} ms`
  return [
    ...figures,
    figure(`bulk_add_vs_${program}_file_${size}`, theirs.bulk / ours.bulk, '×', '', file),
  ]
}

/** Ours cost the same at any size, so that those with none in force are the ones to compare with. */
async function linear(ours: Cost): Promise<Figure[]> {
  const missing = iptablesMissing()
  if (missing) return [unmeasured('one_add_vs_iptables_spawn_10k', missing)]
  const figures: Figure[] = []
  for (const size of ['1k', '10k'] as const) {
    blockLinearly(sizes[size])
    try {
      figures.push(...versus('iptables', size, await costOf(iptablesWay), ours))
    } finally {
      unblockLinearly()
    }
  }
  return figures.map((one) => ({ ...one, detail: `${one.detail}; ${iptablesVersion()}` }))
}

function perBlock(cost: Cost): number {
  return (cost.bulk / many) * 1_000
}

function micro(ms: number): string {
  return `${rounded(ms * 1_000)} µs`
}

function figure(name: string, value: number, unit: string, goal: string, detail: string): Figure {
  return { name, value: rounded(value), unit, goal, detail }
}
