/** A decision service for tests: a held clock, held randomness, its front door, and nodes with keys of their own. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import pino from 'pino'
import { nodeTokenLife, readEnrolmentToken } from '#contract/enrolment.ts'
import { tokenType } from '#contract/envelope.ts'
import { PublicKey } from '#contract/key.ts'
import { makeApp } from '../actions/api/app.ts'
import type { App } from '../actions/api/route.ts'
import { readPolicy } from '../actions/decide/policy.ts'
import type { FactSources } from '../actions/facts/sources.ts'
import type { EnforcedList } from '../actions/flow/feeds.ts'
import { type Flow, openFlow } from '../actions/flow/flow.ts'
import { openKeys } from '../actions/flow/keys.ts'
import { openSaid } from '../actions/flow/said.ts'
import { makeToken, type Randomness } from '../actions/flow/secret.ts'
import { loadConnectors } from '../actions/load-connectors.ts'
import { openNotices } from '../actions/notice/notices.ts'
import { RetentionSettings } from '../actions/retention-settings.ts'
import { openSqlite, openSqliteReader } from '../actions/store/sqlite.ts'
import { openStore } from '../actions/store/store.ts'
import { putToken, type Scope } from '../actions/store/tokens.ts'
import { type Body, readBody } from './body.ts'
import { checkAnswer } from './documented.ts'
import { noSources } from './no-sources.ts'
import { quickDisk } from './quick-disk.ts'

/** 2026-03-01T03:00:00Z */
export const startOfTest = Date.UTC(2026, 2, 1, 3, 0, 0)

/** From severity 70 on block for an hour, from 40 on ask a person. 10/8 and 198.51.100.64/28 are protected. */
export const plainPolicy = `
version: 1
ceilings: { blocks_per_minute: 100000 }
protect:
  - { address: 10.0.0.0/8, why: private network }
  - { address: 198.51.100.64/28, why: our office }
rules:
  - { name: severe, because: it is severe, when: alert.severity >= 70, verdict: block, for: 1h }
  - { name: doubtful, because: it is in doubt, when: alert.severity >= 40, verdict: review, for: 2h }
`

export type Answer = { status: number; headers: Headers; text: string; body: Body }
export type Ask = {
  /** The admin token unless said otherwise; null for none. */
  token?: string | null
  /** An object becomes JSON; text goes as it is. */
  body?: unknown
  headers?: Record<string, string>
}
export type TestNode = {
  name: string
  privateKey: KeyObject
  key: PublicKey
  /** A bearer token signed with the node's own key, at the service's time. */
  bearer(claims?: object, header?: { typ?: string; kid?: string }): string
}
export type TestService = {
  app: App
  flow: Flow
  admin: string
  /** Holds still until a test moves it. */
  clock: { now: number }
  /** Where the keys are, and the database if it is a file. */
  dir: string
  /** Every line that was logged. */
  logged: string[]
  setPolicy(text: string): void
  ask(method: 'GET' | 'POST', path: string, more?: Ask): Promise<Answer>
  /** Posts records to the connector webhook. */
  alert(records: unknown, more?: Ask): Promise<Answer>
  token(scopes: Scope[], lifeMs?: number): Promise<string>
  enrol(name: string, groups?: string[]): Promise<TestNode>
  close(): Promise<void>
}
export type TestServiceOptions = {
  /** Lists that nodes enforce as a whole; asked at each look. */
  enforced?: () => readonly EnforcedList[]
  sources?: FactSources
  channels?: Parameters<typeof openNotices>[0]['channels']
  now?: number
  policy?: string
  connectors?: readonly string[]
  /** Whether confirmations are kept word by word, for results. */
  keepsWords?: boolean
  /** A directory to go on in, whose keys and database are kept; without it a new one, removed at the end. */
  dir?: string
  /** Instead of the database file in the directory. */
  writing?: ReturnType<typeof openSqlite>
  /** In memory unless said otherwise. */
  onDisk?: boolean
  own?: string[]
}

export async function openTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const clock = { now: options.now ?? startOfTest }
  const dir = options.dir ?? mkdtempSync(join(quickDisk(), 'cordon-test-'))
  const logged: string[] = []
  const random = heldRandomness(`${dir} ${++opened}`)
  const database = join(dir, 'cordon.db')
  const onDisk = options.onDisk ?? options.dir !== undefined
  const store = await openStore(
    options.writing ?? openSqlite(onDisk ? database : ':memory:'),
    onDisk && !options.writing ? () => openSqliteReader(database) : undefined,
  )
  let text = options.policy ?? plainPolicy
  let policy = readPolicy(text)
  const setPolicy = (next: string) => {
    text = next
    policy = readPolicy(text)
  }
  const own = options.own ?? ['198.51.100.200']
  const said = openSaid()
  await said.refresh(store.read, clock.now)
  const flow = openFlow({
    said,
    store,
    keys: openKeys(join(dir, 'keys.json'), () => 'cordon-test'),
    log: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
    now: () => clock.now,
    random,
    connectors: await loadConnectors(
      options.connectors ?? ['webhook', 'wazuh', 'suricata'],
      {},
      {},
    ),
    policy: { current: () => policy, text: () => text, read: () => ({ text, use: () => {} }) },
    own: () => own,
    sources: options.sources ?? noSources,
    ...(options.enforced && { enforced: options.enforced }),
    retention: RetentionSettings.parse({}),
    journalReaders: [],
    keepsWords: options.keepsWords ?? false,
    pause: async () => {},
    reachable: () => ({ url: 'http://127.0.0.1:8055', tls: undefined }),
  })
  await flow.asking.resume()
  const notices = await openNotices({
    store,
    channels: options.channels ?? new Map(),
    issuer: flow.keys.issuer,
    now: () => clock.now,
    random,
    log: flow.log,
    pause: async (_, stop) => {
      await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }))
    },
    answersFor: flow.links.answersFor,
  })
  const app = makeApp({ ...flow, notices })

  const token = async (scopes: Scope[], lifeMs?: number) => {
    const name = `test-${scopes.join('-')}`
    const made = makeToken(random, clock.now, { name, scopes, lifeMs })
    await store.write((tx) => putToken(tx, made.token))
    return made.secret
  }
  const admin = await token(['admin'])

  const ask: TestService['ask'] = async (method, path, more = {}) => {
    const bearer = more.token === undefined ? admin : more.token
    const text = typeof more.body === 'string' ? more.body : JSON.stringify(more.body)
    const response = await app.request(path, {
      method,
      headers: { ...(bearer !== null && { authorization: `Bearer ${bearer}` }), ...more.headers },
      ...(method === 'POST' && { body: Buffer.from(text ?? '') }),
    })
    const answer = {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
    }
    const type = response.headers.get('content-type') ?? ''
    checkAnswer(app, method, path, { status: answer.status, type, text: answer.text })
    return { ...answer, body: readBody(type, answer.text) }
  }

  const enrol = async (name: string, groups: string[] = []) => {
    const invited = await ask('POST', '/v1/nodes/tokens', { body: { groups } })
    const { secret } = readEnrolmentToken(invited.body.token ?? '')
    const node = makeNode(name, flow.keys.issuer, () => clock.now)
    const answer = await ask('POST', '/v1/enrol', {
      token: null,
      body: { secret, name, key: node.key },
    })
    assert.equal(answer.status, 201, answer.text)
    return node
  }

  return {
    app,
    flow,
    admin,
    clock,
    dir,
    logged,
    setPolicy,
    ask,
    token,
    enrol,
    alert: (records, more) => ask('POST', '/v1/alerts/webhook', { ...more, body: records }),
    close: async () => {
      flow.hub.close()
      await notices.stop()
      await store.close()
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** A record as a webhook sends it; each has an id of its own unless one is given. */
export function record(attacker: string, more: Record<string, unknown> = {}): object {
  return { id: `r${++records}`, attacker, rule: 'test', severity: 80, ...more }
}
let records = 0
let opened = 0

/** A node's key and name, enrolled or not. */
export function makeNode(name: string, issuer: string, now: () => number): TestNode {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' })
  let made = 0
  return {
    name,
    privateKey,
    key: PublicKey.parse({ kty, crv, x, y }),
    bearer: (claims = {}, { typ = tokenType.node, kid = name } = {}) => {
      const iat = Math.floor(now() / 1_000)
      const usual = { iss: name, aud: issuer, iat, exp: iat + nodeTokenLife, jti: `${++made}` }
      return jwt.sign({ ...usual, ...claims }, privateKey, {
        algorithm: 'ES256',
        header: { alg: 'ES256', typ, kid },
      })
    },
  }
}

/** The same bytes at each run, never the same twice. */
function heldRandomness(seed: string): Randomness {
  let count = 0
  return (bytes) =>
    createHash('shake256', { outputLength: bytes }).update(`${seed} ${++count}`).digest()
}
