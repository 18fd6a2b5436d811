/** Suricata's priority, 1 the gravest, on the scale of alerts: high, medium, low. */

const scale = new Map([
  [1, 80],
  [2, 55],
  [3, 25],
])

/** Priorities above 3 are for information. */
export function suricataSeverity(priority: number | undefined): number {
  return scale.get(priority ?? 0) ?? 10
}
