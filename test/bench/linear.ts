/** One rule for each address, as `iptables -I INPUT -s <address> -j DROP` leaves them: what Cordon is compared with. */
import { execFileSync, spawnSync } from 'node:child_process'
import { blockedHost } from './blocks.ts'

/** Why they cannot be compared with here. */
export function iptablesMissing(): string | false {
  const trial = spawnSync('iptables', ['--version'], { encoding: 'utf8' })
  return trial.status === 0 ? false : 'iptables is not installed'
}

export function iptablesVersion(): string {
  return execFileSync('iptables', ['--version'], { encoding: 'utf8' }).trim()
}

/** The same rules in the kernel, in one go: one by one they take minutes from 10,000 on. */
export function blockLinearly(count: number): void {
  const rules = Array.from(
    { length: count },
    (_, n) => `-A INPUT -s ${blockedHost(n).text} -j DROP`,
  )
  const script = ['*filter', ':INPUT ACCEPT [0:0]', ...rules, 'COMMIT', ''].join('\n')
  execFileSync('iptables-restore', { input: script })
}

export function unblockLinearly(): void {
  execFileSync('iptables', ['-F', 'INPUT'])
}
