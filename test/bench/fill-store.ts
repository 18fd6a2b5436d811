/** Blocks in the store of a service that is not running yet: judging a million alerts takes longer than the rest. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { plainBlock, unnarrowed } from '../../actions/decide/measure.ts'
import { toOrder } from '../../actions/flow/issue.ts'
import { type Decision, insertDecisions } from '../../actions/store/decisions.ts'
import { putClaims } from '../../actions/store/outbox.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { blockedHost } from './blocks.ts'

const piece = 10_000
const dayMs = 86_400_000

/** Decisions in force for all nodes, and the claims that a snapshot is made of. */
export async function fillStore(dataDir: string, count: number): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const store = await openStore(openSqlite(join(dataDir, 'cordon.db')))
  const now = Date.now()
  try {
    for (let from = 0; from < count; from += piece) {
      const size = Math.min(piece, count - from)
      const decisions = Array.from({ length: size }, (_, index) => decisionOn(from + index, now))
      await store.note(async (tx) => {
        await insertDecisions(tx, decisions)
        await putClaims(
          tx,
          'all',
          decisions.map((decision) => toOrder(decision, now)),
        )
      })
    }
  } finally {
    await store.close()
  }
}

function decisionOn(n: number, now: number): Decision {
  const target = blockedHost(n).text
  return {
    // In order, which the indexes take several times as fast as what is drawn.
    id: `d-${n.toString(16).padStart(16, '0')}`,
    state: 'issued',
    outcome: 'block',
    origin: 'policy',
    rule: 'severe',
    target,
    offender: target,
    direction: 'in',
    audience: ['all'],
    lengthMs: dayMs,
    created: now,
    issued: now,
    notAfter: now + dayMs,
    ended: null,
    endReason: null,
    actor: null,
    note: null,
    reasons: [],
    would: null,
    alerts: 1,
    measure: plainBlock,
    scope: unnarrowed,
    rollout: null,
  }
}
