/** `cordon journal export` and `cordon retention` as they are typed: into files, broken off, gone on with. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { appendJournal } from '../../actions/store/journal.ts'
import { openService, temporaryFolder } from '../command/terminal.ts'
import { record } from '../service.ts'

const lines = 3_000
let open: Awaited<ReturnType<typeof openService>>
let folder: ReturnType<typeof temporaryFolder>
before(async () => {
  open = await openService()
  folder = temporaryFolder()
  const entries = Array.from({ length: lines }, (_, n) => ({
    at: Date.now(),
    actor: 'token/alice',
    action: 'test.write',
    subject: `s${n}`,
    after: { reason: 'because it was so' },
  }))
  await open.service.flow.store.write((tx) => appendJournal(tx, entries))
})
after(async () => {
  await open.close()
  folder.remove()
})

let file = ''
let files = 0
beforeEach(() => {
  file = join(folder.path, `export-${++files}`)
})

/** The numbers of the lines in a file, in order. */
function numbersIn(path: string): number[] {
  const text = readFileSync(path, 'utf8')
  assert.ok(text.endsWith('\n'))
  const all = text.trimEnd().split('\n')
  if (text.startsWith('line,')) return all.slice(1).map((line) => Number(line.split(',')[0]))
  return all.map((line) => JSON.parse(line).event.sequence)
}

/** The first start of a service writes lines of its own. */
async function newest(): Promise<number> {
  const { out } = await open.type('journal verify --json')
  return JSON.parse(out).lines
}

async function whole(path: string): Promise<void> {
  const all = Array.from({ length: await newest() }, (_, n) => n + 1)
  assert.deepEqual(numbersIn(path), all)
}

describe('an export to a file', () => {
  for (const format of ['ndjson', 'csv'])
    test(`as ${format} is whole, for its owner alone, and says so`, async () => {
      const { code, out, err } = await open.type(`journal export --format ${format} --out ${file}`)
      assert.equal(code, 0, err)
      const last = await newest()
      assert.equal(
        out,
        `exported ${last} lines to ${file}, up to line ${last}; that is all there is\n`,
      )
      await whole(file)
      assert.equal(statSync(file).mode & 0o777, 0o600)
      assert.ok(!existsSync(`${file}.part`))
    })

  for (const format of ['ndjson', 'csv'])
    test(`as ${format} that was cut off in the middle goes on without a gap or a repeat`, async (t) => {
      const relay = await openRelay(open.service.url)
      t.after(() => relay.close())
      const line = `journal export --format ${format} --out ${file}`
      relay.breakAfter(300_000)
      const broken = await open.type(line, { environment: { CORDON_URL: relay.url } })
      assert.equal(broken.code, 1)
      assert.match(broken.err, /^error: the export ended after line \d+: /)
      assert.match(broken.err, /hint: .*run the same again: it goes on/)
      assert.ok(!existsSync(file))
      const reached = numbersIn(`${file}.part`).length
      assert.ok(reached > 100 && reached < lines, String(reached))
      const done = await open.type(`${line} --json`)
      assert.equal(done.code, 0, done.err)
      assert.equal(JSON.parse(done.out).lines, (await newest()) - reached)
      await whole(file)
    })

  for (const format of ['ndjson', 'csv'])
    test(`as ${format} whose machine died within a line goes on after the last whole one`, async () => {
      const line = `journal export --format ${format} --out ${file}`
      await open.type(line)
      const text = readFileSync(file)
      const numbers = numbersIn(file).length
      for (const bytes of [1, 40, 100_000, 200_123]) {
        const other = `${file}-${bytes}`
        writeFileSync(`${other}.part`, text.subarray(0, bytes))
        const done = await open.type(line.replace(file, other))
        assert.equal(done.code, 0, done.err)
        assert.equal(numbersIn(other).length, numbers)
        await whole(other)
      }
    })

  test('of at most so many bytes ends with a whole line and says where to go on', async () => {
    const first = await open.type(`journal export --max-bytes 100k --out ${file}`)
    assert.equal(first.code, 0, first.err)
    assert.ok(statSync(file).size <= 102_400)
    const [, after = ''] = /there is more: go on with --after (\d+)\n$/.exec(first.out) ?? []
    const rest = await open.type(`journal export --after ${after} --out ${file}-2`)
    assert.match(rest.out, /that is all there is\n$/)
    const both = [...numbersIn(file), ...numbersIn(`${file}-2`)]
    assert.deepEqual(
      both,
      Array.from({ length: await newest() }, (_, n) => n + 1),
    )
  })

  test('holds one line also when that alone is longer than it may be', async () => {
    await open.type(`journal export --format csv --max-bytes 1 --out ${file}`)
    assert.deepEqual(numbersIn(file), [1])
  })

  test('never writes over another file, and says how to go on after it', async () => {
    writeFileSync(file, 'mine')
    const { code, err } = await open.type(`journal export --out ${file}`)
    assert.equal(code, 1)
    assert.match(err, /is there already\nhint: .*--after LINE/)
    assert.equal(readFileSync(file, 'utf8'), 'mine')
  })

  test('does not go on with a part that was begun for another', async () => {
    await open.type(`journal export --after 500 --max-bytes 50k --out ${file}`)
    writeFileSync(`${file}-2.part`, readFileSync(file))
    for (const after of [0, 499, 501, 2_000]) {
      const line = `journal export --after ${after} --out ${file}-2`
      const { code, err } = await open.type(line)
      assert.equal(code, 1, line)
      assert.match(err, /begins with line 501, and this export does not/)
    }
    const { code } = await open.type(`journal export --after 500 --out ${file}-2`)
    assert.equal(code, 0)
    assert.deepEqual(
      numbersIn(`${file}-2`),
      Array.from({ length: (await newest()) - 500 }, (_, n) => n + 501),
    )
  })

  test('does not go on with a part that is none of it', async () => {
    for (const text of ['dear diary', 'dear diary\n', 'line,time,actor,action\n']) {
      writeFileSync(`${file}.part`, text)
      const { code, err } = await open.type(`journal export --out ${file}`)
      assert.equal(code, 1)
      assert.match(err, /no part of an export as ndjson/)
      assert.equal(readFileSync(`${file}.part`, 'utf8'), text)
    }
    truncateSync(`${file}.part`)
    assert.equal((await open.type(`journal export --out ${file}`)).code, 0)
  })
})

describe('an export to a pipe', () => {
  test('is nothing but the export, and what is said of it goes beside', async () => {
    const { code, out, err } = await open.type('journal export --after 2990')
    assert.equal(code, 0)
    const numbers = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).event.sequence)
    assert.equal(numbers[0], 2_991)
    assert.match(err, /^exported \d+ lines, up to line \d+; that is all there is\n$/)
  })

  test('of what was long ago is empty', async () => {
    const { code, out } = await open.type('journal export --until 2020-01-01')
    assert.deepEqual([code, out], [0, ''])
  })

  for (const wrong of ['--after x', '--max-bytes 0', '--max-bytes ten', '--since xyz', '--json'])
    test(`refuses ${wrong}`, async () => {
      assert.equal((await open.type(`journal export ${wrong}`)).code, 2)
    })
})

describe('retention', () => {
  test('shows how long things are kept, and the room', async () => {
    const { code, out } = await open.type('retention show')
    assert.equal(code, 0)
    assert.match(
      out,
      /^alerts +kept for 90d\noriginals +kept with the alert\ndecisions +kept for 400d\n/,
    )
    assert.match(out, /journal +kept for ever\n/)
    assert.match(out, /the database has \d+\.\d MB; \d+\.\d MB of it is free/)
  })

  test('says by a dry run how many would go, and lets just these go', async () => {
    const connector = '/v1/alerts/webhook'
    const headers = { authorization: `Bearer ${open.service.adminToken}` }
    const body = JSON.stringify([1, 2, 3].map((n) => record(`203.0.113.${n}`, { severity: 10 })))
    const url = `${open.service.url}${connector}`
    assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 200)
    await open.service.flow.store.write(async (tx) => {
      const long = Date.now() - 500 * 24 * 3_600_000
      await tx.updateTable('alerts').set({ received: long, observed: long }).execute()
      await tx.updateTable('decisions').set({ created: long }).execute()
    })
    const dry = await open.type('retention run --dry-run')
    assert.equal(
      dry.out,
      'would go: 2 alerts, 3 originals, 3 decisions\n',
      'the newest alert stays without its record, so that its place is not given again',
    )
    const real = await open.type('retention run')
    assert.equal(real.out.replace('gone', 'would go'), dry.out)
    assert.equal((await open.type('retention run --dry-run')).out, 'would go: nothing\n')
    assert.equal((await open.type('journal verify')).code, 0)
    const { out } = await open.type('journal list --subject retention --json')
    const [line] = JSON.parse(out)
    assert.deepEqual([line.actor, line.after.decisions], ['token/first-admin', 3])
  })
})

/** Between command and service, to break the connection after so many bytes of answers. */
async function openRelay(service: string) {
  let left = Number.POSITIVE_INFINITY
  const server = createServer((asked, answer) => {
    const { method, headers, url = '/' } = asked
    const forward = request(new URL(url, service), { method, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 500, answered.headers)
      answered.on('data', (piece: Buffer) => {
        const fits = piece.subarray(0, left)
        left -= piece.length
        if (left > 0) return void answer.write(fits)
        answered.destroy()
        answer.write(fits, () => answer.destroy())
      })
      answered.on('end', () => answer.end())
    })
    forward.on('error', () => answer.destroy())
    asked.pipe(forward)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    breakAfter: (bytes: number) => {
      left = bytes
    },
    close: () => {
      server.closeAllConnections()
      return new Promise((done) => server.close(done))
    },
  }
}
