/** What must be true of a service and its nodes once all is quiet, whatever happened before. */
import assert from 'node:assert/strict'
import jwt from 'jsonwebtoken'
import { EnvelopeClaims, envelopeHash, noPrevious } from '#contract/envelope.ts'
import { verifyJournal } from '../../actions/store/journal.ts'
import type { Reader } from '../../actions/store/store.ts'
import type { Stage } from './stage.ts'
import { until } from './until.ts'

/** Every acknowledged alert is stored once and has its one decision; nothing is doubled; nothing is missing. */
export async function checkWhole(
  stage: Stage,
  acknowledged: ReadonlyMap<string, string>,
): Promise<void> {
  await stage.stored(async (store) => {
    await checkAlerts(store, acknowledged)
    await checkDecisions(store)
    await checkStream(store)
    const { broken } = await verifyJournal(store)
    assert.equal(broken, undefined, `the journal is broken at line ${broken}`)
  })
}

async function checkAlerts(store: Reader, acknowledged: ReadonlyMap<string, string>) {
  const rows = await store.selectFrom('alerts').select(['id', 'body', 'decision']).execute()
  const decisions = new Map<string, string>()
  for (const { body, decision } of rows) {
    const id = originalId(body)
    assert.equal(decisions.has(id), false, `alert ${id} is stored twice`)
    decisions.set(id, decision)
  }
  for (const [id, decision] of acknowledged)
    assert.equal(decisions.get(id), decision, `alert ${id} was acknowledged with ${decision}`)
}

/** The alert's own id is a digest; its record tells which one it is. */
function originalId(body: string): string {
  const { original } = JSON.parse(body)
  return String(JSON.parse(original).id)
}

async function checkDecisions(store: Reader) {
  const alerts = await store.selectFrom('alerts').select(['decision']).execute()
  const evidence = Map.groupBy(alerts, ({ decision }) => decision)
  const decisions = await store.selectFrom('decisions').selectAll().execute()
  for (const { id, alerts: counted, origin } of decisions)
    if (origin === 'policy')
      assert.equal(evidence.get(id)?.length, counted, `${id} counts its alerts wrong`)
  const places = Map.groupBy(decisions, ({ target, audience, origin }) =>
    origin === 'policy' ? `${target} ${audience}` : '',
  )
  places.delete('')
  for (const [place, all] of places) {
    const blocks = all.toSorted((a, b) => (a.issued ?? 0) - (b.issued ?? 0))
    for (const [index, { issued }] of blocks.entries())
      assert.ok(
        (issued ?? 0) >= (blocks[index - 1]?.not_after ?? 0),
        `two decisions hold ${place} at once`,
      )
  }
  const issued = await store
    .selectFrom('journal')
    .select('subject')
    .where('action', '=', 'decision.issue')
    .execute()
  assert.equal(issued.length, new Set(issued.map(({ subject }) => subject)).size, 'issued twice')
}

/** From the first envelope to the head, each on the one before. */
async function checkStream(store: Reader) {
  const rows = await store.selectFrom('envelopes').selectAll().orderBy('seq').execute()
  const heads = await store.selectFrom('heads').selectAll().execute()
  for (const head of heads) {
    let [seq, hash] = [0, noPrevious]
    for (const { jws } of rows.filter(({ audience }) => audience === head.audience)) {
      const claims = EnvelopeClaims.parse(jwt.decode(jws))
      assert.deepEqual([claims.seq, claims.prev], [seq + 1, hash], `${head.audience} has a gap`)
      ;[seq, hash] = [claims.seq, envelopeHash(jws)]
    }
    assert.deepEqual([head.seq, head.hash], [seq, hash], `${head.audience} ends before its head`)
  }
}

/** Every node that is asked to has said of every block in force that its kernel holds it. */
export async function allReported(stage: Stage): Promise<void> {
  await until('every block in force is reported by every node', async () => {
    const { body } = await stage.ask('GET', '/v1/decisions?state=issued&limit=1000')
    const applied = await stage.ask('GET', '/v1/decisions?state=applied&limit=1000')
    const now = Date.now()
    const silent = [...body.decisions, ...applied.body.decisions].filter(
      ({ nodes, not_after }) =>
        nodes.applied < nodes.of && not_after !== null && Date.parse(not_after) > now + 1_000,
    )
    const some = silent.slice(0, 5).map(({ target, message }) => `${target} ${message}`)
    return silent.length > 0 && `${silent.length} are not: ${some.join('; ')}`
  })
}
