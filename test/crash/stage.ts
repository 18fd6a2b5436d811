/**
 * A service and its nodes as processes of their own, that a test starts, kills and starts again. The service runs
 * where the test runs, behind TLS; each node has a namespace, with a kernel that is its own.
 *
 *     const stage = await openStage({ policy, nodes: { 'web-01': ['web'], 'db-01': [] } })
 *     await stage.alert({ id: 'r1', attacker: '203.0.113.7', severity: 80 })
 *     await stage.settled()            // every kernel holds what the service wishes
 *
 * Inside ownNamespace only. `CORDON_TEST_LOG=1` shows what service and agents say.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kysely } from 'kysely'
import { openSqliteReader } from '../../actions/store/sqlite.ts'
import type { Reader } from '../../actions/store/store.ts'
import type { Body } from '../body.ts'
import { quickDisk } from '../quick-disk.ts'
import { differences, wishedOf } from './listing.ts'
import { makeNode, type StageNode, serviceAddress } from './stage-node.ts'
import { makeService, type StageService } from './stage-service.ts'
import { until } from './until.ts'
import { openWeb, type Web } from './web.ts'

const port = 8055

export type StageOptions = {
  policy: string
  /** The groups of each node. */
  nodes: Readonly<Record<string, readonly string[]>>
  connectors?: string[]
  /** Sections `connectors.<name>` of the settings file. */
  sections?: Record<string, Record<string, unknown>>
  /** Section `lists` of the settings file. */
  lists?: readonly object[]
  /** Settings of every agent. */
  agent?: Record<string, unknown>
}

export type Stage = {
  dir: string
  service: StageService
  nodes: readonly StageNode[]
  node(name: string): StageNode
  ask: Web['ask']
  /** Posts records to the connector webhook. Rejects unless they were taken. */
  alert(...records: object[]): Promise<Body>
  /** A block by hand, answered when the connected nodes have. */
  block(target: string, more?: object): Promise<NonNullable<Body['decision']>>
  lift(decision: string): Promise<NonNullable<Body['decision']>>
  /** Reads the database of the service, also while that is dead. */
  stored<T>(read: (store: Reader) => Promise<T>): Promise<T>
  /** Resolves when the kernels of these nodes (of all that run) hold exactly what the service wishes. */
  settled(...names: string[]): Promise<void>
  close(): Promise<void>
}

export async function openStage(options: StageOptions): Promise<Stage> {
  const dir = mkdtempSync(join(quickDisk(), 'cordon-stage-'))
  const service = makeService(serviceStart(options, dir), join(dir, 'data'))
  const web = openWeb(`https://${serviceAddress}:${port}`)
  const nodes: StageNode[] = []
  const node = (name: string) => nodes.find((one) => one.name === name) ?? missing(name)
  const stage: Stage = {
    dir,
    service,
    nodes,
    node,
    ask: web.ask,
    alert: async (...records) => taken(await web.ask('POST', '/v1/alerts/webhook', records)),
    block: async (target, more) => {
      const order = { target, for: '10m', reason: 'test', ...more }
      return decisionIn(await web.ask('POST', '/v1/decisions?wait_s=10', order))
    },
    lift: async (decision) => {
      const path = `/v1/decisions/${decision}/lift?wait_s=10`
      return decisionIn(await web.ask('POST', path, { reason: 'test' }))
    },
    stored: (read) => reading(service.database, read),
    settled: async (...names) => {
      const asked = names.length === 0 ? nodes.filter((one) => one.running()) : names.map(node)
      for (const one of asked) await nodeSettled(stage, one)
    },
    close: async () => {
      web.close()
      await Promise.all([service, ...nodes].map((one) => one.kill()))
      await Promise.all(nodes.map((one) => one.host.close()))
      rmSync(dir, { recursive: true, force: true })
    },
  }
  try {
    await service.start()
    web.trust(join(service.dir, 'tls.crt'), service.adminToken())
    for (const [name, groups] of Object.entries(options.nodes)) {
      const settings = { ...options.agent, state_dir: join(dir, name), enforce: true as const }
      nodes.push(await makeNode(name, settings))
      await node(name).start({ token: await invite(service, groups) })
    }
    for (const one of nodes) await one.connected()
  } catch (error) {
    await stage.close()
    throw error
  }
  return stage
}

function serviceStart({ policy, connectors, sections, lists = [] }: StageOptions, dir: string) {
  const file = join(dir, 'policy.yaml')
  writeFileSync(file, policy)
  return {
    settings: {
      listen: `${serviceAddress}:${port}`,
      data_dir: join(dir, 'data'),
      policy: file,
      connectors: connectors ?? ['webhook'],
      log_level: process.env.CORDON_TEST_LOG ? 'debug' : 'silent',
    },
    sections: { webhook: { mappings: { id: ['id'] } }, ...sections },
    lists,
  }
}

async function invite(service: StageService, groups: readonly string[]): Promise<string> {
  return String(await service.tell({ do: 'invite', groups: [...groups] }))
}

async function reading<T>(database: string, read: (store: Reader) => Promise<T>): Promise<T> {
  const store: Reader = new Kysely({ dialect: openSqliteReader(database) })
  try {
    return await read(store)
  } finally {
    await store.destroy()
  }
}

async function nodeSettled(stage: Stage, node: StageNode): Promise<void> {
  await until(`the kernel of ${node.name} holds exactly what is wished`, async () => {
    const wished = await stage.stored((store) => wishedOf(store, node.name))
    const found = differences(await node.kernel(), wished, Date.now())
    return found.length > 0 && found.slice(0, 5).join('; ')
  })
}

type Answered = Awaited<ReturnType<Web['ask']>>

function taken({ status, body }: Answered): Body {
  if (status === 200 && body.refused === 0) return body
  throw new Error(`the alerts were answered with ${status}: ${JSON.stringify(body)}`)
}

function decisionIn({ status, body }: Answered): NonNullable<Body['decision']> {
  if (body.decision) return body.decision
  throw new Error(`the order was answered with ${status}: ${body.detail}`)
}

function missing(name: string): never {
  throw new Error(`there is no node ${name}`)
}
