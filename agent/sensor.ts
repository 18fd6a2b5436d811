/** The port-scan sensor of a node: its table in the kernel, a look at it now and then, and what the service is told. */
import { type Address, contains, maybeAddress, readAddress } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Service } from './connect.ts'
import type { Protected } from './guard.ts'
import type { SensorTable } from './kernel/sensor-table.ts'
import { bytesOf, ScanCounter } from './sensor-count.ts'
import { ScanQueue } from './sensor-queue.ts'
import type { AgentSettings } from './settings.ts'

export type SensorOn = {
  settings: Pick<
    AgentSettings,
    'scan_sensor' | 'scan_ports' | 'scan_window' | 'scan_trusted' | 'scan_interfaces' | 'scan_udp'
  >
  /** Undefined where nothing can look. */
  table: SensorTable | undefined
  service: Pick<Service, 'ask'>
  /** The service's clock. */
  now(): number
  /** Milliseconds that only go forward. */
  monotonic(): number
  here(): readonly Protected[]
  /** This node's own addresses. */
  interfaces(): readonly string[]
  health(problem: Problem | undefined): void
}

const lookMs = 2_000
/** What looking costs is at most a twentieth of the time. */
const restFactor = 20
const brokenMs = 30_000

export class Sensor {
  readonly #on: SensorOn
  readonly #counter: ScanCounter
  readonly #queue: ScanQueue
  readonly #trusted: readonly Address[]
  #here: readonly Protected[] = []
  /** Whom the table in the kernel leaves alone; undefined: there is no table. */
  #spared: string | undefined
  #broken: { problem: Problem; times: number } | undefined
  #untaken: Problem | undefined
  #timer: NodeJS.Timeout | undefined
  #under: Promise<void> | undefined
  #stopped = false

  constructor(on: SensorOn) {
    const { settings, service } = on
    this.#on = on
    this.#trusted = settings.scan_trusted.map(readAddress)
    this.#counter = new ScanCounter({
      ports: settings.scan_ports,
      windowMs: settings.scan_window,
      own: () => new Set(on.interfaces().flatMap(readOwn).map(bytesOf)),
      spared: (source) => this.#sources().some((one) => contains(one, source)),
    })
    this.#queue = new ScanQueue({
      service,
      health: (problem) => {
        this.#untaken = problem
        this.#tell()
      },
    })
  }

  /** What is wrong is told as a trouble and tried again. */
  begin(): Promise<void> {
    this.#under = this.#begin()
    return this.#under
  }

  /** One look, for which nobody waits otherwise. */
  async look(): Promise<void> {
    const { table, now } = this.#on
    if (!table) return
    try {
      await this.#keep(table)
      this.#queue.add(this.#counter.look(await table.attempts(), Math.round(now())))
      this.#broken = undefined
    } catch (error) {
      this.#spared = undefined
      this.#broken = { problem: toProblem(error), times: (this.#broken?.times ?? 0) + 1 }
    }
    this.#tell()
  }

  /** The service is there (again). */
  reachable(): void {
    this.#queue.reachable()
  }

  async settled(): Promise<void> {
    await this.#under
    await this.#queue.settled()
  }

  /** Nobody would read what the kernel goes on to see: the table goes. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    const quiet = this.#queue.stop()
    await this.#under
    const { settings, table } = this.#on
    if (settings.scan_sensor && table?.sees) await this.#remove(table)
    table?.close()
    await quiet
  }

  async #begin(): Promise<void> {
    const { settings, table, health } = this.#on
    if (!settings.scan_sensor) {
      if (table?.sees) await this.#remove(table)
    } else if (!table) health(noTable())
    else if (table.sees) await this.#round()
    else await this.#keep(table)
  }

  async #round(): Promise<void> {
    const { monotonic } = this.#on
    const from = monotonic()
    await this.look()
    if (this.#stopped) return
    const usual = Math.max(lookMs, restFactor * (monotonic() - from))
    const again = (this.#broken?.times ?? 0) > 1 ? brokenMs : usual
    this.#timer = setTimeout(() => {
      this.#under = this.#round()
    }, again).unref()
  }

  /** The table is there and leaves those alone that are to be left alone now. */
  async #keep(table: SensorTable): Promise<void> {
    const here = this.#on.here()
    if (this.#spared !== undefined && here === this.#here) return
    this.#here = here
    const trusted = this.#sources()
    const spared = trusted.map(({ text }) => text).join(' ')
    if (spared === this.#spared) return
    const { scan_window: windowMs, scan_interfaces: interfaces, scan_udp: udp } = this.#on.settings
    if (this.#spared === undefined) await table.make({ windowMs, interfaces, udp, trusted })
    else await table.spare(trusted)
    this.#spared = spared
  }

  #sources(): Address[] {
    return [...this.#trusted, ...this.#on.here().map(({ address }) => address)]
  }

  async #remove(table: SensorTable): Promise<void> {
    try {
      await table.remove()
    } catch (error) {
      this.#on.health(toProblem(error))
    }
  }

  #tell(): void {
    this.#on.health(this.#broken?.problem ?? this.#untaken)
  }
}

/** A link-local address bears its interface. */
function readOwn(text: string): Address[] {
  const address = maybeAddress(text.replace(/%.*$/, ''))
  return address ? [address] : []
}

function noTable(): Problem {
  return new Problem('unsupported', 'this back end has no port-scan sensor', {
    remedy: 'set scan_sensor to false, or backend to auto',
  })
}
