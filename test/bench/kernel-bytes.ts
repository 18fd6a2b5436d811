/** What the kernel has taken for itself. */
import { readFileSync } from 'node:fs'

/** Bytes in slabs that are not given back, in larger pieces, and for each processor; of the whole machine. */
export function kernelBytes(): number {
  const text = readFileSync('/proc/meminfo', 'utf8')
  return ['SUnreclaim', 'VmallocUsed', 'Percpu']
    .map((name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1_024)
    .reduce((sum, bytes) => sum + bytes, 0)
}
