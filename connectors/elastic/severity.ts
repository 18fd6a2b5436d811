/** The word decides and the risk score refines it: rules set both, and people go by the word. */

const scale: Readonly<Record<string, readonly [from: number, usual: number, to: number]>> = {
  low: [0, 21, 39],
  medium: [40, 47, 69],
  high: [70, 73, 89],
  critical: [90, 99, 100],
}

export function elasticSeverity(word: string | undefined, risk: number | undefined): number {
  const name = word?.toLowerCase() ?? ''
  const bounds = Object.hasOwn(scale, name) ? scale[name] : undefined
  if (bounds === undefined) return risk ?? 47
  const [from, usual, to] = bounds
  return Math.max(from, Math.min(to, risk ?? usual))
}
