/**
 * The standing rules of this node.
 *
 * A signed statement for each audience comes over the stream at each connection and at each change. A new version is written
 * to the disk as one on trial, enforced, and proves itself by a fresh connection over which the service answers. If none
 * does in the time that the statement gives, the node goes back to what it enforced before, in one transaction, and does
 * not try that version again. An agent that dies meanwhile goes back at its start. Versions are tried one after the other,
 * so that it is known which one failed. What proved itself is enforced from the disk before there is a network, and stands
 * until it is replaced or the node leaves the audience. See posture-script.ts for what passes whatever was signed.
 */
import { type PostureClaims, type PostureReceipt, readPosture } from '#contract/posture.ts'
import { printable } from '#contract/printable.ts'
import { Problem, type ProblemCode, toProblem } from '#contract/problem.ts'
import type { Service } from './connect.ts'
import type { Protected } from './guard.ts'
import type { PostureTable } from './kernel/posture-table.ts'
import { oneAtATime } from './kernel/turns.ts'
import type { Answer, HeldPosture, PostureMemory } from './posture-memory.ts'
import { fetchNetworks, networksOf } from './posture-networks.ts'
import { printPosture, printProtected } from './posture-script.ts'
import { holding, nextRules } from './posture-time.ts'
import { type Trust, verifyPosture } from './verify.ts'

export type PosturesOn = {
  memory: PostureMemory
  /** Undefined for a back end that cannot express them. */
  table: PostureTable | undefined
  service: Pick<Service, 'text'>
  /** Tells the service over a connection of its own. Throws when it did not answer. */
  reach(receipt: PostureReceipt): Promise<unknown>
  trust(): Trust
  learnKeys(): Promise<void>
  audiences(): ReadonlySet<string>
  here(): readonly Protected[]
  /** Networks of all countries together. */
  mostNetworks: number
  now(): number
  /** False while the time is in doubt: rules that hold at times then stay as they are. */
  timeIsKnown(): boolean
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** Resolves after the time or when it is stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
  /** What is the matter, undefined when nothing is. */
  health(problem: Problem | undefined): void
  /** There is news for the service. */
  changed(): void
  /** So many networks were read and brought into the kernel. */
  brought(networks: number): void
}

const reachAgainMs = 1_000
/** What the disk, the kernel or the connection refused is tried again. */
const retryMs = { first: 2_000, longest: 5 * 60_000 }
/** A clock may be set meanwhile: it is looked at this often at least. */
const lookAgainMs = 60_000

export class Postures {
  readonly #on: PosturesOn
  readonly #turn = oneAtATime()
  readonly #stopping = new AbortController()
  /** The newest statement of an audience that was not looked at yet. */
  readonly #wanted = new Map<string, PostureClaims>()
  #statements: Promise<void> = Promise.resolve()
  #working: Promise<void> | undefined
  #watching: Promise<void> | undefined
  #retryMs = retryMs.first
  /** Ends the pauses of a trial. */
  #nudge = new AbortController()
  /** Ends the pause of who waits for a time of the week, when other rules hold. */
  #moved = new AbortController()
  #enforced: { holding: string; protected: string } | undefined
  #distrusted: Problem | undefined
  #refused: Problem | undefined

  constructor(on: PosturesOn) {
    this.#on = on
  }

  /** Enforces what proved itself; what was on trial when the agent ended did not. Never rejects. */
  async begin(): Promise<void> {
    const { memory, audiences } = this.#on
    const { trial } = memory
    const left = [...memory.confirmed.keys()].filter((one) => !audiences().has(one))
    for (const audience of left) this.#forget(audience)
    const damaged = [...memory.confirmed.values()].filter((held) => !isWhole(held, memory))
    for (const held of damaged) this.#setAside(held)
    // A node that was changed may be able to do now what it refused.
    for (const [audience, { status }] of memory.answers)
      if (status === 'refused') memory.answers.delete(audience)
    memory.trial = undefined
    if (trial && audiences().has(trial.audience))
      this.#answer(trial, 'reverted', cutShort('the agent ended before it reached the service'))
    const changed = trial !== undefined || left.length + damaged.length > 0
    if (changed) this.#keep()
    if (changed || memory.confirmed.size > 0) await this.#enforceOrSay()
    this.#watching = this.#watch()
  }

  /** A statement as it came. Resolves when it was accepted or refused, never rejects. */
  take(jws: string): Promise<void> {
    this.#statements = this.#statements.then(() => this.#accept(jws))
    return this.#statements
  }

  /** The node follows the audience no longer. */
  leave(audience: string): void {
    const { memory } = this.#on
    this.#wanted.delete(audience)
    if (!memory.confirmed.has(audience) && memory.trial?.audience !== audience) return
    if (memory.trial?.audience === audience) this.#hurry()
    this.#forget(audience)
    this.#keep()
    void this.#enforceOrSay()
  }

  /** What is protected here may have changed. */
  protect(): void {
    if (this.#enforced && this.#enforced.protected !== this.#protected())
      void this.#turn(() => this.#mendProtected())
  }

  /** Puts right what others did to the table. */
  heal(): void {
    if (this.#on.memory.standing.length === 0) return
    void this.#turn(async () => {
      const intact = await this.#on.table?.intact().catch(() => false)
      if (intact === false && this.#on.table?.enforcing) await this.#enforce().catch(this.#say)
    })
  }

  get receipts(): PostureReceipt[] {
    const { memory, now } = this.#on
    const standing = new Map(memory.standing.map((one) => [one.audience, one]))
    return [...memory.answers.values()].map((answer) => {
      const held = standing.get(answer.audience)
      const next = held && nextRules([held.posture], now())
      return {
        ...answer,
        in_force: held?.version ?? 0,
        ...(next === undefined ? {} : { next_change: next }),
      }
    })
  }

  /** Resolves when nothing that has come waits. */
  async settled(): Promise<void> {
    await this.#statements
    while (this.#working) await this.#working
    await this.#turn(async () => {})
  }

  /** What is on trial stays so on the disk: the next start goes back. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#nudge.abort()
    this.#moved.abort()
    await Promise.all([this.#working, this.#watching])
    await this.#turn(async () => {})
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #accept(jws: string): Promise<void> {
    if (this.#stopped) return
    try {
      const claims = await this.#verify(jws)
      this.#distrusted = undefined
      this.#on.memory.versions.set(claims.aud, claims.version)
      if (!this.#isOnTrial(claims)) this.#want(claims)
    } catch (error) {
      const problem = toProblem(error)
      if (problem.code !== 'envelope_replayed') this.#distrusted = problem
    }
    this.#tellHealth()
  }

  async #verify(jws: string): Promise<PostureClaims> {
    const { trust, audiences, memory, now, learnKeys } = this.#on
    const verify = () =>
      verifyPosture(jws, trust(), audiences(), (audience) => memory.versions.get(audience), now())
    try {
      return verify()
    } catch (error) {
      if (toProblem(error).code !== 'envelope_key_unknown') throw error
    }
    await learnKeys()
    return verify()
  }

  /** Each connection brings it again. */
  #isOnTrial({ aud, version }: PostureClaims): boolean {
    const { trial } = this.#on.memory
    return trial?.audience === aud && trial.version === version
  }

  #want(claims: PostureClaims): void {
    this.#wanted.set(claims.aud, claims)
    this.#retryMs = retryMs.first
    if (this.#on.memory.trial?.audience === claims.aud) this.#hurry()
    this.#work()
  }

  /** What is on trial is not wanted any more. */
  #hurry(): void {
    this.#nudge.abort()
    this.#nudge = new AbortController()
  }

  #work(): void {
    this.#working ??= this.#workAll().finally(() => {
      this.#working = undefined
      if (this.#wanted.size > 0 && !this.#stopped) this.#work()
    })
  }

  async #workAll(): Promise<void> {
    for (let next = this.#next(); next && !this.#stopped; next = this.#next()) {
      this.#wanted.delete(next.aud)
      if (this.#isOld(next)) continue
      try {
        await this.#bring(next)
      } catch (error) {
        this.#failed(next, toProblem(error))
      }
    }
  }

  #next(): PostureClaims | undefined {
    return this.#wanted.values().next().value
  }

  /** It was answered already, and not by a failure that may pass. */
  #isOld({ aud, version }: PostureClaims): boolean {
    const said = this.#on.memory.answers.get(aud)
    return said?.version === version && said.status !== 'failed' && said.status !== 'trying'
  }

  /** Throws what can be tried again. */
  async #bring(claims: PostureClaims): Promise<void> {
    const { memory, table, service } = this.#on
    const held = this.#read(claims)
    if (held === undefined) return
    if (held === null) return this.#withdraw(claims)
    await fetchNetworks(held.posture, memory, service)
    if (this.#stopped || this.#wanted.has(claims.aud)) return
    if (table?.enforcing) await this.#try(held)
    else await this.#plan(held)
    this.#prune()
  }

  /** Null for none from now on; undefined when it was refused, and that was said. */
  #read(claims: PostureClaims): HeldPosture | null | undefined {
    const { aud: audience, version, confirm } = claims
    try {
      const posture = readPosture(claims.posture)
      if (!posture) return null
      this.#refuse({ audience, version, confirm, posture })
      return { audience, version, confirm, posture }
    } catch (error) {
      this.#answer({ audience, version }, 'refused', toProblem(error))
      this.#keep()
      return undefined
    }
  }

  #refuse({ audience, posture }: HeldPosture): void {
    const { table, memory, mostNetworks } = this.#on
    if (!table)
      throw new Problem('unsupported', 'the firewall of this node cannot express standing rules', {
        remedy: 'use nftables on this node, or leave it out of this group',
      })
    const others = [...memory.confirmed.values()].filter((one) => one.audience !== audience)
    const total = [...others.map((one) => one.posture), posture]
      .flatMap(({ countries }) => countries)
      .reduce((sum, { entries }) => sum + entries, 0)
    if (total > mostNetworks)
      throw new Problem(
        'ceiling_reached',
        `the countries hold ${total} networks, this node takes ${mostNetworks}`,
        { remedy: 'raise CORDON_AGENT_MAX_FEED_ENTRIES, or name fewer countries' },
      )
  }

  async #withdraw({ aud: audience, version }: PostureClaims): Promise<void> {
    const { memory } = this.#on
    memory.confirmed.delete(audience)
    if (memory.trial?.audience === audience) memory.trial = undefined
    this.#mustKeep()
    await this.#turn(() => this.#enforce())
    this.#answer({ audience, version }, this.#on.table?.enforcing === false ? 'planned' : 'applied')
    this.#keep()
    this.#prune()
  }

  async #plan(held: HeldPosture): Promise<void> {
    this.#on.memory.confirmed.set(held.audience, held)
    await this.#turn(() => this.#enforce())
    this.#answer(held, 'planned')
    this.#keep()
  }

  /** What is not on the disk as one on trial is not enforced: a start would not know to go back. */
  async #try(held: HeldPosture): Promise<void> {
    const { memory } = this.#on
    memory.trial = held
    this.#answer(held, 'trying')
    try {
      this.#mustKeep()
      await this.#turn(() => this.#enforce())
    } catch (error) {
      memory.trial = undefined
      this.#keep()
      throw error
    }
    const outcome = await this.#prove(held)
    if (outcome === 'stopped') return
    memory.trial = undefined
    if (outcome === 'reached') {
      memory.confirmed.set(held.audience, held)
      this.#answer(held, 'applied')
      this.#keep()
      return
    }
    if (outcome === 'silent') {
      const why = `the service could not be reached within ${held.confirm} s`
      this.#answer(held, 'reverted', cutShort(why))
    }
    this.#keep()
    await this.#enforceOrSay()
  }

  async #prove(held: HeldPosture): Promise<'reached' | 'silent' | 'newer' | 'stopped'> {
    const { monotonic, pause, memory } = this.#on
    const isNewest = () => memory.trial === held && !this.#wanted.has(held.audience)
    const until = monotonic() + held.confirm * 1_000
    for (let left = held.confirm * 1_000; left > 0 && isNewest(); left = until - monotonic()) {
      const late = pause(left, this.#nudge.signal).then(() => false)
      const reached = await Promise.race([this.#reach(held), late])
      if (this.#stopped) return 'stopped'
      if (reached) return isNewest() ? 'reached' : 'newer'
      const rest = Math.max(0, until - monotonic())
      await pause(Math.min(reachAgainMs, rest), this.#nudge.signal)
      if (this.#stopped) return 'stopped'
    }
    return isNewest() ? 'silent' : 'newer'
  }

  /** Whatever the service itself answers, it was reached. */
  async #reach({ audience }: HeldPosture): Promise<boolean> {
    const receipt = this.receipts.find((one) => one.audience === audience)
    try {
      if (receipt) await this.#on.reach(receipt)
      return receipt !== undefined
    } catch (error) {
      return !unreached.has(toProblem(error).code)
    }
  }

  #failed(claims: PostureClaims, problem: Problem): void {
    const { aud: audience, version } = claims
    if (this.#stopped) return
    this.#answer({ audience, version }, 'failed', problem)
    this.#keep()
    void this.#tryLater(claims)
  }

  async #tryLater(claims: PostureClaims): Promise<void> {
    const wait = this.#retryMs
    this.#retryMs = Math.min(retryMs.longest, wait * 2)
    await this.#on.pause(wait, this.#stopping.signal)
    const said = this.#on.memory.answers.get(claims.aud)
    const still = said?.version === claims.version && said.status === 'failed'
    if (this.#stopped || !still || this.#wanted.has(claims.aud)) return
    this.#wanted.set(claims.aud, claims)
    this.#work()
  }

  /** Its networks on the disk are not whole; the service tells it anew at the next connection. */
  #setAside(held: HeldPosture): void {
    this.#on.memory.confirmed.delete(held.audience)
    const problem = new Problem('snapshot_incomplete', 'its networks on the disk are damaged')
    this.#answer(held, 'failed', problem)
  }

  /** In its turn. Throws what the disk and the kernel say; what was in force then stays. */
  async #enforce(): Promise<void> {
    const { memory, table, here, now } = this.#on
    const postures = memory.standing
    const at = now()
    if (postures.length === 0) {
      await table?.remove()
      this.#enforced = undefined
      return
    }
    this.#moved.abort()
    const protects = this.#protected()
    const networks = (country: Parameters<typeof networksOf>[0]) => networksOf(country, memory)
    await table?.run(printPosture({ postures, networks, here: here(), now: at }))
    this.#enforced = {
      holding: holding(
        postures.map(({ posture }) => posture),
        at,
      ),
      protected: protects,
    }
    this.#refused = undefined
    this.#tellHealth()
    const countries = postures.flatMap(({ posture }) => posture.countries)
    this.#on.brought(countries.reduce((sum, { entries }) => sum + entries, 0))
  }

  async #enforceOrSay(): Promise<void> {
    await this.#turn(() => this.#enforce().catch(this.#say))
  }

  readonly #say = (error: unknown): void => {
    this.#refused = toProblem(error)
    this.#tellHealth()
  }

  async #mendProtected(): Promise<void> {
    const protects = this.#protected()
    if (!this.#enforced || this.#enforced.protected === protects) return
    try {
      await this.#on.table?.run(printProtected(this.#on.here()))
      this.#enforced = { ...this.#enforced, protected: protects }
    } catch {
      // Somebody took the table away: it is made anew as a whole.
      await this.#enforce().catch(this.#say)
    }
  }

  /** Rewrites the table when a time of the week begins or ends, and tries again what the kernel refused. */
  async #watch(): Promise<void> {
    const { now, pause } = this.#on
    while (!this.#stopped) {
      const postures = this.#on.memory.standing.map(({ posture }) => posture)
      const next = nextRules(postures, now()) ?? Number.POSITIVE_INFINITY
      this.#moved = new AbortController()
      await pause(Math.min(lookAgainMs, Math.max(1, next - now())), this.#moved.signal)
      if (!this.#stopped) await this.#lookAtTime()
    }
  }

  async #lookAtTime(): Promise<void> {
    const { memory, now, timeIsKnown } = this.#on
    const postures = memory.standing.map(({ posture }) => posture)
    if (postures.length === 0 && !this.#refused) return
    const changed = this.#enforced?.holding !== holding(postures, now())
    if (this.#refused || (changed && timeIsKnown())) await this.#enforceOrSay()
  }

  #protected(): string {
    return this.#on
      .here()
      .map(({ address }) => address.text)
      .join()
  }

  #forget(audience: string): void {
    const { memory } = this.#on
    memory.confirmed.delete(audience)
    memory.answers.delete(audience)
    if (memory.trial?.audience === audience) memory.trial = undefined
  }

  #answer(
    { audience, version }: Pick<HeldPosture, 'audience' | 'version'>,
    status: Answer['status'],
    problem?: Problem,
  ): void {
    const { answers } = this.#on.memory
    const said = answers.get(audience)
    const same = said?.version === version && said.status === status
    answers.set(audience, {
      audience,
      version,
      status,
      at: same ? said.at : this.#on.now(),
      ...(problem && { code: problem.code, detail: printable(problem.message, 300) }),
    })
    this.#tellHealth()
    if (!same) this.#on.changed()
  }

  #tellHealth(): void {
    const unwell = [...this.#on.memory.answers.values()].find(({ code }) => code !== undefined)
    const told =
      unwell &&
      new Problem('conflict', `${unwell.audience} version ${unwell.version}: ${unwell.detail}`, {
        remedy: '"cordon posture list" shows how each node stands to its standing rules',
      })
    this.#on.health(this.#refused ?? this.#distrusted ?? told)
  }

  /** Throws `store_unavailable`. */
  #mustKeep(): void {
    this.#on.memory.keep()
  }

  #keep(): void {
    try {
      this.#on.memory.keep()
    } catch (error) {
      this.#say(error)
    }
  }

  #prune(): void {
    try {
      this.#on.memory.prune()
    } catch {
      // What a disk does not let go of is tried again with the next version, and changes nothing that is in force.
    }
  }
}

const unreached: ReadonlySet<ProblemCode> = new Set([
  'service_unreachable',
  'untrusted_service',
  'internal',
])

function isWhole({ posture }: HeldPosture, memory: PostureMemory): boolean {
  const chunks = posture.countries.flatMap((country) => country.chunks)
  return chunks.every((digest) => memory.chunk(digest) !== undefined)
}

function cutShort(why: string): Problem {
  return new Problem('service_unreachable', `${why}: back to what was in force before`, {
    remedy: 'find what the version cuts, correct it and apply it again',
  })
}
