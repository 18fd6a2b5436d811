/** What the metrics say, and that to say it costs the same however much is stored. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { verifyJournal } from '../../actions/store/journal.ts'
import { openTestService, record, startOfTest } from '../service.ts'

test('the metrics count alerts by connector, verdicts and receipts as they come, and a repeat not at all', async (t) => {
  const service = await openTestService()
  t.after(() => service.close())
  await service.enrol('web-01')
  const same = record('203.0.113.7')
  const stored = await service.alert([same, record('203.0.113.8', { severity: 50 })])
  await service.alert(same)
  const id = /d-[0-9a-z]{16}/.exec(stored.text)?.[0] ?? ''
  await service.flow.acknowledge('web-01', [
    { decision: id, status: 'applied', audience: 'all', epoch: 1, seq: 1, at: startOfTest },
  ])
  const { text } = await service.ask('GET', '/metrics')
  for (const line of [
    'cordon_blocks_in_force 1',
    'cordon_decisions_waiting 1',
    'cordon_alerts_total{source="webhook"} 2',
    'cordon_verdicts_total{verdict="block"} 1',
    'cordon_verdicts_total{verdict="review"} 1',
    'cordon_receipts_total{status="applied"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`)
})

test('no figure that is asked for again and again reads the whole table of decisions', async (t) => {
  const service = await openTestService()
  t.after(() => service.close())
  for (const [where, index] of [
    ["state = 'waiting'", 'decisions_waiting'],
    ["state in ('issued', 'applied') and not_after > 5", 'decisions_in_force'],
  ] as const) {
    const plan = await sql<{ detail: string }>`explain query plan
      select count(*) from decisions where ${sql.raw(where)}`.execute(service.flow.store.read)
    assert.match(plan.rows[0]?.detail ?? '', new RegExp(`INDEX ${index}`))
  }
})

test('to verify a long journal leaves the event loop its turns', async (t) => {
  const service = await openTestService()
  t.after(() => service.close())
  for (let n = 0; n < 3; n++)
    await service.alert(Array.from({ length: 1_000 }, (_, m) => record(`203.0.${n}.${m % 250}`)))
  await service.alert(
    Array.from({ length: 3_000 }, (_, m) => record(`192.${100 + (m >> 8)}.2.${m & 255}`)),
  )
  let turns = 0
  let next = setImmediate(function again() {
    turns++
    next = setImmediate(again)
  })
  const { lines, broken } = await verifyJournal(service.flow.store.read)
  clearImmediate(next)
  assert.equal(broken, undefined)
  assert.ok(lines > 3_000 && turns >= 3, `${lines} lines, ${turns} turns`)
})
