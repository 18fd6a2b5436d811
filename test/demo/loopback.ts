/**
 * Runs this program again as a process group of its own, for the dry demo, which has no namespace to live in. A shell
 * waits for the end of whoever started it, also by kill -9, and then ends the group and removes its folder.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const inside = 'CORDON_DEMO_LOOPBACK'

const sweep =
  'read group; cat >/dev/null; kill -s KILL -- "-$group" 2>/dev/null; rm -rf "$1"; while kill -s 0 -- "-$group" 2>/dev/null; do sleep 0.01; rm -rf "$1"; done'

/** Why it is dry, in the program that runs in the group. */
export function whyOnLoopback(): string | undefined {
  return process.env[inside]
}

/** Resolves with the exit code when the group and its folder are gone. */
export async function runOnLoopback(
  file: string,
  why: string,
  hear: (message: unknown) => void,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-demo-'))
  const broom = spawn('sh', ['-c', sweep, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const child = spawn(process.execPath, [...process.execArgv, file, ...process.argv.slice(2)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
    env: { ...process.env, [inside]: why, TMPDIR: folder },
  })
  broom.stdin.write(`${child.pid}\n`)
  child.on('message', hear)
  const code = await Promise.race([
    new Promise<number>((ended) => child.on('exit', (code) => ended(code ?? 1))),
    new Promise<number>((ended) => process.once('SIGINT', () => ended(130))),
    new Promise<number>((ended) => process.once('SIGTERM', () => ended(143))),
  ])
  broom.stdin.end()
  await once(broom, 'exit')
  return code
}
