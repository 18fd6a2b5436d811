/**
 * Runs this program again in network, mount and process namespaces of its own. They hold everything that the demo makes,
 * so that the kernel clears it all away with the last process, also after kill -9.
 */
import { spawn, spawnSync } from 'node:child_process'

const inside = 'CORDON_DEMO_INSIDE'

/** A memory file system over a folder that every Linux has and no program lives in. */
export const privateFolder = '/dev/shm'

const prepare = [
  `mount -t tmpfs -o mode=0755 tmpfs ${privateFolder}`,
  'ip link set lo up',
  'nft list ruleset >/dev/null',
  'echo 1 >/proc/sys/net/ipv4/ip_forward',
  'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
].join(' && ')

const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

export function isInside(): boolean {
  return process.env[inside] !== undefined
}

/** Without root, namespaces of the user's own serve as well, where the system allows them. */
function flags(): string[] {
  return process.getuid?.() === 0 ? namespaces : ['--user', '--map-root-user', ...namespaces]
}

/** Why there can be no namespaces with nftables here; undefined when there can. */
export function whyNotPrivate(): string | undefined {
  const trial = spawnSync('unshare', [...flags(), 'sh', '-c', prepare], { encoding: 'utf8' })
  if (trial.status === 0) return undefined
  const why = trial.error?.message ?? trial.stderr.trim().split('\n').at(-1) ?? ''
  return process.getuid?.() === 0 ? why : `not root, and no namespaces for users here: ${why}`
}

/** Resolves with the exit code. `hear` gets what the program inside sends. */
export function runInside(file: string, hear: (message: unknown) => void): Promise<number> {
  const node = [process.execPath, ...process.execArgv, file, ...process.argv.slice(2)]
  const child = spawn(
    'unshare',
    [...flags(), 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...node],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, [inside]: '1', TMPDIR: privateFolder },
    },
  )
  child.on('message', hear)
  // On a terminal the program inside hears Ctrl-C itself; here it is only not to leave before it.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGKILL'))
  return new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve(signal ? 143 : (code ?? 1))),
  )
}

/** The program inside ends with whoever started it, and at Ctrl-C; with it, the kernel ends all it started. */
export function endWithStarter(): void {
  process.once('disconnect', () => process.exit(1))
  process.once('SIGINT', () => {
    process.stderr.write('\nstopped; all that was started is gone\n')
    process.exit(130)
  })
}
