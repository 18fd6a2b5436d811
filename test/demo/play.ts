/** The demo with real kernels: two attacks, then Cordon itself is killed and the blocks must still end on time. */
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { suricataLine, wazuhAlert } from './alerts.ts'
import type { FlowSeen } from './flow.ts'
import { attacker, namespaceIds, nodes } from './network.ts'
import type { Cut, PingsSeen } from './pings.ts'
import type { Signed } from './signing-clock.ts'
import { arrivals, type Decision, decisionOn, makeWorld, until, type World } from './world.ts'

export const blocksFor = { text: '5s', ms: 5_000 } as const

/** So that each part is seen before the next begins. */
const betweenMs = 600

/** All times in ms after the act began: the alert was sent, or the line was appended. */
export type Act = {
  target: string
  judged: number
  signed: number
  /** The service's answer to the sender of a posted alert. */
  answered: number | undefined
  decision: Decision
  /** The end that the nodes were given, by the clock of the wall. */
  signedEnd: number
  /** One entry a node from here on. */
  inKernel: number[]
  cuts: { lastIn: number; firstLost: number; firstIn: number | undefined }[]
}
export type Killed = {
  /** Ms after the first act began. */
  at: number
  /** Pings of the attacker that did not get in, in both acts, and how often one did while he was blocked. */
  dropped: number
  leaks: number
  /** Changes of nf_tables, by anybody, in any of the three kernels between the kill and the last end. */
  changesAfter: number
}
export type Flows = {
  attacker: FlowSeen
  visitor: FlowSeen
  /** Monotonic ms of the first act, which the times of the flows count from. */
  start: number
}
export type Facts = {
  mode: 'real'
  namespaces: string[]
  acts: [wazuh: Act, suricata: Act]
  killed: Killed
  flows: Flows
  /** Of the clean client, over all nodes and both families. */
  visitor: { sent: number; answered: number; cuts: number }
}

export type Scene = {
  begin(): void
  act(number: 1 | 2, act: Act): void
  killed(killed: Pick<Killed, 'at'>): void
  ended(facts: Facts): void
}

export async function play(scene: Scene): Promise<Facts> {
  scene.begin()
  const world = await makeWorld(blocksFor.text)
  const victim = nodes[0]?.address4 ?? ''
  const first = await act(world, 0, attacker.address4, async () => {
    const alert = wazuhAlert(attacker.address4, victim, Date.now())
    const start = now()
    return { start, answered: (await world.ask('POST', '/v1/alerts/wazuh', alert)).at }
  })
  scene.act(1, first.act)
  await pause(betweenMs)
  const second = await act(world, 1, attacker.network6, async () => {
    const line = suricataLine(attacker.address6, nodes[0]?.address6 ?? '', Date.now())
    const start = now()
    appendFileSync(world.eve, line)
    return { start }
  })
  scene.act(2, second.act)
  await pause(betweenMs)
  await world.killCordon()
  const killedAt = now()
  scene.killed({ at: ms(killedAt - first.start) })
  const acts = [await end(world, 0, first), await end(world, 1, second)] as const
  const back = Math.max(
    ...acts.flatMap(({ cuts }, index) =>
      cuts.map(({ firstIn = 0 }) => firstIn + (index === 0 ? 0 : ms(second.start - first.start))),
    ),
  )
  const flow = await fate(world, first.start)
  const quiet = await silence(world)
  const hostile = quiet.pings.slice(0, 2).flat()
  const clean = quiet.pings.slice(2).flat()
  const facts: Facts = {
    mode: 'real',
    namespaces: namespaceIds(),
    acts: [acts[0], acts[1]],
    killed: {
      at: ms(killedAt - first.start),
      dropped: sum(hostile.map(({ sent, received }) => sent - received)),
      leaks: sum(hostile.map(({ cuts }) => cuts.length - 1)),
      changesAfter: world.kernels.filter(
        (news) =>
          news.news === 'transaction' && news.at > killedAt && news.at < first.start + back * 1e6,
      ).length,
    },
    flows: { ...flow, start: ms(first.start) },
    visitor: {
      sent: sum(clean.map(({ sent }) => sent)),
      answered: sum(clean.map(({ answered }) => answered)),
      cuts: sum(clean.map(({ cuts }) => cuts.length)),
    },
  }
  scene.ended(facts)
  return facts
}

type Begun = { start: number; act: Act }

/** `client` is the attacker's place in the traffic. Resolves when its pings are cut and the service knows it. */
async function act(
  world: World,
  client: number,
  target: string,
  tell: () => Promise<{ start: number; answered?: number }>,
): Promise<Begun> {
  const { start, answered } = await tell()
  const since = (at: number) => ms(at - start)
  const inKernel = await until(`${target} is in every kernel`, () => arrivals(world, target))
  const { judged, signed } = await until(`${target} is signed`, () => signatureOf(world, target))
  const decision = await until(`all nodes confirm ${target}`, () => confirmed(world, target))
  const cuts = await until('the traffic is cut', async () =>
    cutsOf((await world.traffic({ order: 'look' })).pings[client], start),
  )
  return {
    start,
    act: {
      target,
      judged: since(judged),
      signed: since(signed),
      answered: answered === undefined ? undefined : since(answered),
      decision,
      signedEnd: Date.parse(decision.not_after) - wallAt(start),
      inKernel: inKernel.map(({ at }) => since(at)),
      cuts,
    },
  }
}

/** Waits until the pings come through everywhere. */
async function end(world: World, client: number, { start, act }: Begun): Promise<Act> {
  const cuts = await until('the traffic is back', async () => {
    const cuts = cutsOf((await world.traffic({ order: 'look' })).pings[client], start)
    return cuts?.every(({ firstIn }) => firstIn !== undefined) ? cuts : undefined
  })
  return { ...act, cuts }
}

function cutsOf(pings: PingsSeen | undefined, start: number): Act['cuts'] | undefined {
  const last = (pings ?? []).map(({ cuts }) => cuts.at(-1))
  const cuts = last.filter((cut): cut is Cut => cut !== undefined)
  if (cuts.length < nodes.length) return undefined
  return cuts.map(({ lastIn = Number.NaN, firstLost, firstIn }) => ({
    lastIn: ms(lastIn - start),
    firstLost: ms(firstLost - start),
    firstIn: firstIn === undefined ? undefined : ms(firstIn - start),
  }))
}

function signatureOf(world: World, target: string): Signed | undefined {
  return world.signed.find(({ targets }) => targets.includes(target))
}

/** What the service says of the decision, once every node has sent its receipt. */
async function confirmed(world: World, target: string): Promise<Decision | undefined> {
  const decision = await decisionOn(world.ask, target)
  return decision?.nodes.applied === nodes.length ? decision : undefined
}

/** What became of the attacker's flow: its client retransmits in ever longer steps, so that it takes a while to show. */
async function fate(world: World, start: number): Promise<Pick<Flows, 'attacker' | 'visitor'>> {
  return until('the flow goes on or is reset', async () => {
    const [attacker, , visitor] = (await world.traffic({ order: 'look' })).flows
    if (!attacker || !visitor) throw new Error('there is no flow')
    const decided = attacker.again !== undefined || (!attacker.freed && resumed(attacker, start))
    return decided ? { attacker, visitor } : undefined
  })
}

function resumed({ lastIn = 0 }: FlowSeen, start: number): boolean {
  return lastIn - start > blocksFor.ms * 1e6
}

/** Nobody sends any more, and nothing is under way: a busy machine may still have answers to hand over. */
async function silence(world: World) {
  await world.traffic({ order: 'quiet' })
  for (let before = -1; ; ) {
    await pause(100)
    const seen = await world.traffic({ order: 'quiet' })
    const answered = sum(seen.pings.flat().map((pings) => pings.answered))
    if (answered === before) return seen
    before = answered
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function ms(ns: number): number {
  return ns / 1e6
}

/** The time of day, in epoch ms, at a monotonic time of the last minutes. */
function wallAt(ns: number): number {
  return performance.timeOrigin + performance.now() - ms(now() - ns)
}

function now(): number {
  return Number(process.hrtime.bigint())
}
