/** One action to a thousand connected streams: until the last of them has it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { enrol } from '../../agent/enrol.ts'
import { bearer, requireIdentity } from '../../agent/identity.ts'
import { type Figure, percentile, rounded } from './figure.ts'
import { alerts } from './load.ts'
import { makeWorld, monotonicMs, type World } from './world.ts'

const actions = 150
const warm = 50

export async function measureFanOut(streams = 1_000): Promise<Figure[]> {
  const world = await makeWorld(1)
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-'))
  try {
    const { next, close } = await openStreams(world, dir, streams)
    const last: number[] = []
    const spread: number[] = []
    try {
      for (let n = 0; n < warm + actions; n++) {
        const body = alerts(n, 1)
        const came = next()
        const sent = monotonicMs()
        await world.post('/v1/alerts/wazuh', body)
        const [firstAt = 0, lastAt = 0] = (await came).split(' ').map((ns) => Number(ns) / 1e6)
        if (n < warm) continue
        last.push(lastAt - sent)
        spread.push(lastAt - firstAt)
      }
    } finally {
      close()
    }
    const detail = `from the sending of the alert, judged and stored with full fsync, to the last of ${streams} streams, all read by one process as one node; p99 ${rounded(percentile(last, 0.99))} ms, from the first stream to the last ${rounded(percentile(spread, 0.5))} ms, n=${actions}`
    const value = rounded(percentile(last, 0.5))
    return [{ name: 'stream_last_of_1000_ms', value, unit: 'ms', goal: '<= 25', detail }]
  } finally {
    await world.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function openStreams(world: World, dir: string, streams: number) {
  const [invitation = ''] = world.invitations
  const { node, issuer, url } = await enrol(invitation, 'bench', dir, Date.now())
  const token = bearer(node, requireIdentity(dir), issuer)(Date.now())
  const file = new URL('streams-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, String(streams), new URL(url).port], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CORDON_BENCH_TOKEN: token },
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const limit = setTimeout(() => child.kill('SIGKILL'), 30_000)
    const { value, done } = await lines.next()
    clearTimeout(limit)
    if (done) throw new Error('the streams ended')
    return String(value)
  }
  await next()
  return { next, close: () => child.kill('SIGKILL') }
}
