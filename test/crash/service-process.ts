/** The decision service in a process of its own, which dies where a test says. Its parts are the product's. */
import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Action, BlockAction } from '#contract/action.ts'
import { Problem } from '#contract/problem.ts'
import { inviteNode } from '../../actions/flow/enrol.ts'
import { prune } from '../../actions/flow/expire.ts'
import { issue } from '../../actions/flow/issue.ts'
import { readSections } from '../../actions/sections.ts'
import { type Service, startService } from '../../actions/service.ts'
import { ServiceSettings } from '../../actions/settings.ts'
import {
  type Decision,
  findDecision,
  insertDecisions,
  updateDecision,
} from '../../actions/store/decisions.ts'
import { answerOrders, die } from './orders.ts'

export type ServiceStart = {
  settings: Record<string, unknown>
  /** Sections `connectors.<name>` of the settings file. */
  sections: Record<string, Record<string, unknown>>
  lists: readonly object[]
}
export type ServiceStarted = { url: string; adminToken: string | null }
export type ServiceOrder =
  | { do: 'start'; start: ServiceStart }
  | { do: 'invite'; groups: string[] }
  /** `commit`: judged, not stored. `send`: stored, not sent. `answer`: sent, the sender not told. */
  | { do: 'die'; at: 'commit' | 'send' | 'answer' }
  /** What the hourly clock does, at this time. */
  | { do: 'prune'; now: number }
  | { do: 'loseLastChunk'; lose: boolean }
  /** Signs and sends what no judgement would: as whoever stole the key could. */
  | { do: 'sign'; audience: string; action: Action }
  | { do: 'stop' }

let service: Service | undefined
let lose = false

answerOrders<ServiceOrder>(async (order) => {
  if (order.do === 'start') return start(order.start)
  const { flow, stop } = service ?? missing()
  if (order.do === 'invite') {
    const { token } = await inviteNode(flow, { groups: order.groups, lifeMs: 600_000 }, 'test')
    return token
  }
  if (order.do === 'die') dieAt(flow, order.at)
  if (order.do === 'prune') await prune(flow.store, order.now)
  if (order.do === 'loseLastChunk') lose = order.lose
  if (order.do === 'sign') await sign(flow, order.audience, order.action)
  if (order.do === 'stop') await stop()
  return null
})

async function start({ settings, sections, lists }: ServiceStart): Promise<ServiceStarted> {
  const read = ServiceSettings.parse(settings)
  service = await startService(read, {
    log: pino({ level: read.log_level }, pino.destination({ fd: 2, sync: true })),
    environment: {},
    connectorSections: sections,
    now: Date.now,
    random: randomBytes,
    sections: readSections({}, { lists }),
  })
  losingChunks(service.flow)
  return { url: service.url, adminToken: service.adminToken ?? null }
}

function dieAt({ store, hub, recorder }: Service['flow'], at: 'commit' | 'send' | 'answer'): void {
  const { publish } = hub
  const { write } = store
  if (at === 'commit')
    store.write = (job) =>
      write(async (tx) => {
        const result = await job(tx)
        return recorder.waiting() > 0 ? die() : result
      })
  hub.publish = (envelopes) => {
    if (at === 'answer') publish(envelopes)
    die()
  }
}

/** Past every check of the service; with a decision, since receipts of what nobody decided are not taken. */
async function sign({ store, keys, hub, now }: Service['flow'], to: string, action: Action) {
  const orders = [{ audience: [to], action }]
  const envelopes = await store.write(async (tx) => {
    const known = await findDecision(tx, action.decision)
    if (action.action === 'block' && !known) await insertDecisions(tx, [decided(action, to)])
    if (action.action === 'lift' && known)
      await updateDecision(tx, known.id, { state: 'ended', ended: now(), endReason: 'lifted' })
    return issue(tx, keys, orders, now())
  })
  hub.publish(envelopes)
}

function decided(action: BlockAction, audience: string): Decision {
  return {
    ...{ id: action.decision, state: 'issued', outcome: 'block', origin: 'manual', rule: null },
    ...{ target: action.target, offender: null, direction: action.direction, audience: [audience] },
    ...{
      lengthMs: action.not_after - action.issued,
      created: action.issued,
      issued: action.issued,
    },
    ...{ notAfter: action.not_after, ended: null, endReason: null, actor: 'thief', note: null },
    ...{ reasons: [], would: null, alerts: 0 },
    ...{ measure: { action: 'block' }, scope: {}, rollout: null },
  }
}

/** The chunk that was asked for first is the first; every other one is gone while it is so ordered. */
function losingChunks({ snapshots }: Service['flow']): void {
  const { chunk } = snapshots
  let first: string | undefined
  snapshots.chunk = (digest) => {
    first ??= digest
    if (lose && digest !== first) throw new Problem('not_found', 'this chunk is no longer kept')
    return chunk(digest)
  }
}

function missing(): never {
  throw new Error('the service was not started')
}
