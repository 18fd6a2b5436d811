/** Following a log file on a real disk, through everything that log rotation does to it. */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#contract/problem.ts'
import { followFile } from '../../connectors/follow-file.ts'

describe('a followed file', () => {
  test('is read from its end at the very first start, and from where it was afterwards', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, 'old\nhalf ')
      const reader = startReader(path)
      await reader.ready
      fs.appendFileSync(path, 'written\n')
      await reader.until(1)
      await reader.stop()
      fs.appendFileSync(path, 'while down\n')
      reader.start()
      await reader.until(2)
      assert.deepEqual(await reader.stop(), ['half written', 'while down'])
    }))

  test('is read from its start when that is asked for, or when it was not there yet', async () =>
    inFolder(async (path) => {
      const late = startReader(path)
      await late.ready
      fs.writeFileSync(path, 'first\n')
      await late.until(1)
      assert.deepEqual(await late.stop(), ['first'])
      const asked = startReader(path, 'start')
      await asked.until(1)
      assert.deepEqual(await asked.stop(), ['first'])
    }))

  test('that appears while nobody followed is read from its start', async () =>
    inFolder(async (path) => {
      const reader = startReader(path)
      await reader.ready
      await reader.stop()
      fs.writeFileSync(path, 'first\n')
      reader.start()
      await reader.until(1)
      assert.deepEqual(await reader.stop(), ['first'])
    }))

  test('gives a line that is written in two parts once, when it is whole', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, '')
      const reader = startReader(path)
      await reader.ready
      const line = Buffer.from('a line with ü in it\n')
      for (const byte of line) fs.appendFileSync(path, Buffer.of(byte))
      await reader.until(1)
      assert.deepEqual(await reader.stop(), ['a line with ü in it'])
    }))

  test('written through a hard link in another folder is noticed at once', async (t) => {
    // No slow look ever comes: what is noticed was told by the kernel.
    t.mock.timers.enable({ apis: ['setTimeout'] })
    await inFolder(async (path) => {
      const day = join(path, '..', '2026', 'Mar')
      fs.mkdirSync(day, { recursive: true })
      const linked = join(day, 'alerts-01.json')
      fs.writeFileSync(linked, '')
      fs.linkSync(linked, path)
      const reader = startReader(path)
      await reader.ready
      for (let n = 1; n <= 9; n++) {
        fs.appendFileSync(linked, `${n}\n`)
        await reader.until(n)
      }
      assert.equal((await reader.stop()).length, 9)
    })
  })

  test('whose link was made anew at midnight while nobody followed is finished first', async () =>
    inFolder(async (path) => {
      const day = (name: string) => join(path, '..', '2026', 'Mar', `ossec-alerts-${name}.json`)
      fs.mkdirSync(join(path, '..', '2026', 'Mar'), { recursive: true })
      fs.writeFileSync(day('01'), '')
      fs.linkSync(day('01'), path)
      const reader = startReader(path)
      await reader.ready
      await reader.stop()
      fs.appendFileSync(day('01'), 'evening\n')
      for (const name of ['02', '03']) {
        fs.unlinkSync(path)
        fs.writeFileSync(day(name), `day ${name}\n`)
        fs.utimesSync(day(name), Number(name), 4_000_000_000 + Number(name))
        fs.linkSync(day(name), path)
      }
      reader.start()
      await reader.until(3)
      assert.deepEqual(await reader.stop(), ['evening', 'day 02', 'day 03'])
    }))

  test('that was cut by rotation in the middle of a line gives what there is of it', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, '')
      const reader = startReader(path)
      await reader.ready
      fs.appendFileSync(path, 'whole\ntorn')
      await reader.until(1)
      fs.renameSync(path, `${path}.1`)
      fs.writeFileSync(path, 'next\n')
      await reader.until(3)
      assert.deepEqual(await reader.stop(), ['whole', 'torn', 'next'])
    }))

  test('that still grows after it was renamed is read until the writer has gone over', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, '')
      const reader = startReader(path)
      await reader.ready
      fs.renameSync(path, `${path}.1`)
      fs.writeFileSync(path, '')
      fs.appendFileSync(`${path}.1`, 'late\n')
      await reader.until(1)
      fs.appendFileSync(path, 'new\n')
      await reader.until(2)
      assert.deepEqual(await reader.stop(), ['late', 'new'])
    }))

  test('that is gone is told of, and the new one is read from its start', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, 'a\n')
      const reader = startReader(path, 'start')
      await reader.until(1)
      await reader.stop()
      // Made before the old one goes, so that it cannot get the same inode.
      fs.writeFileSync(`${path}.new`, 'b\n')
      fs.renameSync(`${path}.new`, path)
      reader.start()
      await reader.until(3)
      const [a, problem, b] = await reader.stop()
      assert.deepEqual([a, b], ['a', 'b'])
      assert.ok(problem instanceof Problem && problem.code === 'not_found')
    }))

  test('that was emptied under its writer, which left a block of NUL, is read on behind it', async () =>
    inFolder(async (path) => {
      const writer = fs.openSync(path, 'w')
      const reader = startReader(path, 'start')
      fs.writeSync(writer, `${'x'.repeat(2_000_000 / 4)}\n`.repeat(4))
      await reader.until(4)
      fs.truncateSync(path)
      fs.writeSync(writer, 'after\n')
      await reader.until(5)
      fs.closeSync(writer)
      assert.equal((await reader.stop()).at(-1), 'after')
    }))

  test('with a line longer than a mebibyte gives one problem and goes on behind it', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, `before\n${'x'.repeat(1_500_000)}`)
      const reader = startReader(path, 'start')
      await reader.until(2)
      await reader.stop()
      fs.appendFileSync(path, `${'x'.repeat(3_000_000)}\nafter\n${'y'.repeat(1_048_577)}\nend\n`)
      reader.start()
      await reader.until(5)
      const [before, first, after, second, end] = await reader.stop()
      assert.deepEqual([before, after, end], ['before', 'after', 'end'])
      for (const problem of [first, second]) assert.ok(problem instanceof Problem)
    }))

  test('gives pages of at most 500 records, and going on from any of them repeats none', async () =>
    inFolder(async (path) => {
      const lines = Array.from({ length: 1_201 }, (_, n) => `line ${n}`)
      fs.writeFileSync(path, `${lines.join('\r\n')}\r\n\r\n`)
      const source = followFile({ key: 'k', path, from: 'start' })
      let cursor: string | undefined
      const got: unknown[] = []
      while (got.length < lines.length) {
        const stop = new AbortController()
        for await (const page of source.follow(cursor, stop.signal)) {
          assert.ok(page.records.length <= 500)
          got.push(...page.records)
          cursor = page.cursor
          if (page.records.length > 0) break
        }
      }
      assert.deepEqual(got, lines)
    }))

  test('with a cursor of somebody else is a problem with a remedy', async () =>
    inFolder(async (path) => {
      fs.mkdirSync(path)
      const source = followFile({ key: 'k', path, from: 'end' })
      const first = source.follow('{"other":1}', new AbortController().signal)
      await assert.rejects(first[Symbol.asyncIterator]().next(), { code: 'invalid_input' })
    }))

  test('leaves no watcher and no open file behind', async () =>
    inFolder(async (path) => {
      fs.writeFileSync(path, '')
      const before = held()
      const reader = startReader(path)
      await reader.ready
      assert.ok(held() > before)
      await reader.stop()
      assert.equal(held(), before)
    }))

  test('gives every whole line once, however it is cut, rotated, emptied and taken up again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) =>
        inFolder((path) => replay(path, steps)),
      ),
      { numRuns: 100, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
    )
  })
})

type Step = 'line' | 'rotate' | 'truncate' | 'holes' | 'stop' | 'start' | number

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>('line') },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>('rotate', 'truncate', 'holes', 'stop', 'start') },
)

/**
 * A writer and a reader, each at its own pace. Emptying is preceded by a look of the reader, for what was written
 * after its last look is lost with copytruncate; so with the reader stopped, nothing is emptied unread.
 */
async function replay(path: string, steps: Step[]): Promise<void> {
  const writer = startWriter(path)
  const reader = startReader(path, 'start')
  await reader.ready
  for (const each of steps) {
    if (typeof each === 'number') writer.write(each)
    else if (each === 'line') writer.flush()
    else if (each === 'rotate') writer.rotate()
    else if (each === 'stop') await reader.stop()
    else if (each === 'start') reader.start()
    else {
      writer.flush()
      reader.start()
      await reader.until(writer.lines.length)
      if (writer.lines.length % 2 === 0) await reader.stop()
      writer.empty(each === 'holes')
    }
  }
  writer.flush()
  reader.start()
  await reader.until(writer.lines.length)
  writer.close()
  assert.deepEqual(await reader.stop(), writer.lines)
}

/** Writes numbered lines in parts; rotation and emptying happen between lines, as their writers do it. */
function startWriter(path: string) {
  const lines: string[] = []
  let pending = Buffer.alloc(0)
  let clock = 1_000
  let file = fs.openSync(path, 'w')
  // What was rotated is put in order by its time of change, which here must not depend on the machine's clock.
  const touch = (): void => fs.utimesSync(path, clock, clock++)
  touch()
  const write = (most: number): void => {
    if (pending.length === 0) {
      lines.push(`line ${lines.length} ünï`)
      pending = Buffer.from(`${lines.at(-1)}\n`)
    }
    fs.writeSync(file, pending.subarray(0, most))
    pending = pending.subarray(most)
    touch()
  }
  const flush = (): void => write(Number.MAX_SAFE_INTEGER)
  const finishLine = (): void => (pending.length > 0 ? flush() : undefined)
  return {
    lines,
    write,
    flush,
    rotate() {
      finishLine()
      for (let n = 9; n > 0; n--)
        if (fs.existsSync(`${path}.${n}`)) fs.renameSync(`${path}.${n}`, `${path}.${n + 1}`)
      fs.renameSync(path, `${path}.1`)
      fs.closeSync(file)
      file = fs.openSync(path, 'w')
      touch()
    },
    /** With holes, the writer goes on at its old place and leaves NUL before it. */
    empty(holes: boolean) {
      fs.truncateSync(path)
      touch()
      if (!holes) {
        fs.closeSync(file)
        file = fs.openSync(path, 'a')
      }
    },
    close: () => fs.closeSync(file),
  }
}

/** Fails rather than waits for ever, also where a test holds the time. */
const patienceMs = 60_000
const { setTimeout: setTimer, clearTimeout: clearTimer } = globalThis

/** Takes records and cursor together, as the service stores them. */
function startReader(path: string, from: 'end' | 'start' = 'end') {
  const source = followFile({ key: 'k', path, from })
  const records: unknown[] = []
  let cursor: string | undefined
  let stop = new AbortController()
  let loop: Promise<void> | undefined
  let arrived = (): void => {}
  let isReady = (): void => {}
  const ready = new Promise<void>((resolve) => {
    isReady = resolve
  })
  const run = async (): Promise<void> => {
    for await (const page of source.follow(cursor, stop.signal)) {
      records.push(...page.records)
      cursor = page.cursor
      isReady()
      arrived()
    }
  }
  const start = (): void => {
    if (loop) return
    stop = new AbortController()
    running.add(stop)
    loop = run()
  }
  start()
  return {
    ready,
    start,
    async until(count: number) {
      const late = setTimer(() => stop.abort(), patienceMs)
      while (records.length < count && !stop.signal.aborted)
        await new Promise<void>((resolve) => {
          arrived = resolve
          stop.signal.addEventListener('abort', () => resolve(), { once: true })
        })
      clearTimer(late)
      assert.ok(records.length >= count, `${records.length} of ${count} records came`)
    },
    async stop() {
      stop.abort()
      await loop
      loop = undefined
      return records
    },
  }
}

const running = new Set<AbortController>()

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'cordon-follow-'))
  try {
    await run(join(folder, 'alerts.json'))
  } finally {
    for (const stop of running) stop.abort()
    running.clear()
    fs.rmSync(folder, { recursive: true })
  }
}

/** What the kernel holds for this process: watches, and open files called alerts.json. */
function held(): number {
  const about = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      const watches = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify wd:/gm)
      const open = fs.readlinkSync(`/proc/self/fd/${fd}`).endsWith('alerts.json')
      return (watches?.length ?? 0) + (open ? 1 : 0)
    } catch {
      return 0
    }
  })
  return about.reduce((sum, count) => sum + count, 0)
}
