/** One measured figure, and the arithmetic on samples. */

/** `goal` as in DESIGN section 9: `<= 5` or `>= 5000`. `detail` says how it was taken, with the sample size. */
export type Figure = { name: string; value: number; unit: string; goal: string; detail: string }

/** The smallest sample that at least this share of all do not exceed. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export function meets({ value, goal }: Figure): boolean | undefined {
  const [comparison, bound] = goal.split(' ')
  if (bound === undefined || Number.isNaN(value)) return undefined
  return comparison === '<=' ? value <= Number(bound) : value >= Number(bound)
}

/** A row that says why there is no figure. */
export function unmeasured(name: string, why: string): Figure {
  return { name, value: Number.NaN, unit: '', goal: '', detail: `not measured: ${why}` }
}

/** What stands where the figure would. */
export function printValue({ value, unit }: Figure): string {
  return Number.isNaN(value) ? '–' : `${value} ${unit}`
}

/** Rows of the table in the README. */
export function markdownRow(figure: Figure): string {
  const met = meets(figure)
  const mark = met === undefined ? '' : met ? 'met' : 'not met'
  const { name, goal, detail } = figure
  return `| \`${name}\` | ${printValue(figure)} | ${goal} | ${mark} | ${detail} |`
}

export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
