/** A service on a disk of a megabyte, in a mount namespace of its own: fills it, frees it, and tells what happened. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTestService, record } from '../service.ts'

export type FullDisk = {
  /** What the first refusal said. */
  refusal: { status: number; code: string | undefined; remedy: string | undefined }
  acknowledged: number
  /** Of the acknowledged alerts, those that the store holds after it was opened anew. */
  held: number
  /** Alerts in the store that nobody was told are stored. */
  unknown: number
  /** The status of the same request once there was room. */
  afterwards: number
  journal: boolean | undefined
}

if (process.env.CORDON_TEST_FULL_DISK === '1') {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', dir])
  try {
    process.stdout.write(JSON.stringify(await fill(dir)))
  } finally {
    execFileSync('umount', ['--lazy', dir])
    rmSync(dir, { recursive: true })
  }
}

async function fill(dir: string): Promise<FullDisk> {
  const filler = join(dir, 'filler')
  // When it is gone there is room for what stands in the write-ahead log a second time.
  writeFileSync(filler, Buffer.alloc(900_000))
  const service = await openTestService({ dir })
  const told = new Set<string>()
  let refusal: FullDisk['refusal'] | undefined
  for (let n = 0; n < 2_000 && !refusal; n += 4) {
    // Several at once, so that a failing commit is shared.
    const posted = [0, 1, 2, 3].map((k) =>
      service.alert(record(address(n + k), { payload: 'x'.repeat(3_000) })),
    )
    for (const { status, body } of await Promise.all(posted)) {
      if (status === 200) told.add(body.items[0]?.alerts?.[0]?.alert ?? '')
      else refusal = { status, code: body.code, remedy: body.remedy }
    }
  }
  rmSync(filler)
  const afterwards = await service.alert(record('192.0.2.1'))
  told.add(afterwards.body.items[0]?.alerts?.[0]?.alert ?? '')
  await service.close()
  const again = await openTestService({ dir })
  const rows = await again.flow.store.read.selectFrom('alerts').select('id').execute()
  const journal = (await again.ask('GET', '/v1/journal/verify')).body.whole
  await again.close()
  const ids = new Set(rows.map(({ id }) => id))
  return {
    refusal: refusal ?? { status: 0, code: undefined, remedy: undefined },
    acknowledged: told.size,
    held: [...told].filter((id) => ids.has(id)).length,
    unknown: [...ids].filter((id) => !told.has(id)).length,
    afterwards: afterwards.status,
    journal,
  }
}

function address(n: number): string {
  return `203.0.${n >> 8}.${n & 255}`
}
