/** Wazuh's rule level, 0 to 16, on the scale of alerts: the dashboard's buckets fall on the same names. */

export function wazuhSeverity(level: number | undefined): number {
  return Math.round((Math.max(0, Math.min(16, level ?? 0)) * 100) / 16)
}
