/** A service that an agent can follow over loopback: streams, snapshots and proofs, as a test wants them. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import jwt from 'jsonwebtoken'
import type { BlockAction } from '#contract/action.ts'
import { readCursor } from '#contract/audience.ts'
import { tokenType } from '#contract/envelope.ts'
import { Problem } from '#contract/problem.ts'
import type { Heartbeat, Receipt } from '#contract/receipt.ts'
import { issuer, makeKey, Sequence, type SigningKey, serviceKey, sign } from './signer.ts'

export class FakeService {
  readonly audiences = new Map<string, Sequence>()
  readonly state = new Map<string, BlockAction[]>()
  readonly receipts: Receipt[] = []
  readonly heartbeats: Heartbeat[] = []
  readonly proofs: string[] = []
  readonly cursors: string[] = []
  announcements: string[] = []
  snapshots = 0
  chunksAsked = 0
  /** What to say of an audience when a stream begins. */
  resync = new Map<string, string>()
  missingChunk = false
  /** What is asked there gets no answer. */
  silentAt: string | undefined
  /** Chunks of lists by digest, and statements that each stream begins with. */
  readonly lists = new Map<string, string>()
  readonly statements: string[] = []
  readonly asked: string[] = []
  /** Whose state is never given. */
  forbidden = ''
  now: () => number
  #chunks = new Map<string, string>()
  readonly #streams = new Set<ServerResponse>()
  readonly #changed = new Set<() => void>()
  readonly #server = createServer((request, response) => {
    response.setHeader('date', new Date(this.now()).toUTCString())
    this.#handle(request, response).catch((error: unknown) => {
      const problem = error instanceof Problem ? error : new Problem('internal', String(error))
      response.writeHead(problem.status, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify(problem))
      this.#notify()
    })
  })

  constructor(now: () => number, ...audiences: string[]) {
    this.now = now
    for (const audience of audiences) this.audiences.set(audience, new Sequence(audience))
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve))
  }

  get streams(): number {
    return this.#streams.size
  }

  sequence(audience: string): Sequence {
    const found = this.audiences.get(audience)
    if (!found) throw new Error(`no audience ${audience}`)
    return found
  }

  /** Signs the next envelope and sends it to every stream. */
  send(audience: string, actions: readonly unknown[]): string {
    const jws = this.sequence(audience).next(actions)
    this.write('envelope', jws)
    return jws
  }

  write(event: string, data: string): void {
    for (const stream of this.#streams) stream.write(frame(event, data))
  }

  rotate(audience: string): SigningKey {
    const next = makeKey()
    const claims = { iss: issuer, iat: 1, keys: [serviceKey.public, next.public] }
    this.announcements.push(sign(claims, tokenType.keys))
    this.audiences.set(audience, new Sequence(audience, this.sequence(audience).at, next))
    return next
  }

  /** Resolves when it is so; it is looked at after every request. */
  async until(so: () => boolean): Promise<void> {
    while (!so()) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#changed.add(resolve)
      await promise
      this.#changed.delete(resolve)
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://fake')
    if (url.pathname === this.silentAt) return
    if (url.pathname === '/v1/stream') this.#stream(request, response)
    else {
      const body = await readBody(request)
      const answer = this.#answer(url, body)
      response.writeHead(200).end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    }
    this.#notify()
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    const token = jwt.decode(request.headers.authorization?.replace('Bearer ', '') ?? '', {
      complete: true,
    })
    if (token?.header.typ !== tokenType.node)
      throw new Problem('unauthenticated', 'no token of a node')
    const cursor = String(request.headers['last-event-id'] ?? '')
    readCursor(cursor)
    this.cursors.push(cursor)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const groups = [...this.audiences.keys()]
      .filter((one) => one.startsWith('group/'))
      .map((one) => one.slice(6))
    response.write(frame('hello', JSON.stringify({ node: 'web-01', groups, time: this.now() })))
    for (const [audience, reason] of this.resync)
      response.write(frame('resync', JSON.stringify({ audience, reason })))
    this.resync.clear()
    for (const statement of this.statements) response.write(frame('feeds', statement))
    this.#streams.add(response)
    response.on('close', () => {
      this.#streams.delete(response)
      this.#notify()
    })
  }

  #answer(url: URL, body: string): unknown {
    if (url.pathname.startsWith('/v1/feeds/')) return this.#listChunk(url.pathname)
    if (url.pathname === '/v1/snapshot') return this.#manifest(url)
    if (url.pathname.startsWith('/v1/snapshot/')) return this.#chunk(url.pathname.slice(13))
    if (url.pathname === '/v1/keys') return { announcements: this.announcements }
    if (url.pathname === '/v1/receipts') {
      this.receipts.push(...JSON.parse(body).receipts)
      return { success: true }
    }
    if (url.pathname === '/v1/heartbeat') {
      this.heartbeats.push(JSON.parse(body))
      return { time: this.now() }
    }
    if (url.pathname === '/v1/proof') return this.#proof(JSON.parse(body).statement)
    throw new Problem('not_found', url.pathname)
  }

  #manifest(url: URL): unknown {
    const audience = url.searchParams.get('audience') ?? ''
    if (audience === this.forbidden) throw new Problem('forbidden', `${audience} is not yours`)
    const { manifest, chunks } = this.sequence(audience).snapshot(
      url.searchParams.get('nonce') ?? '',
      this.state.get(audience) ?? [],
    )
    this.#chunks = new Map([...this.#chunks, ...chunks])
    this.snapshots++
    return { success: true, manifest }
  }

  #listChunk(path: string): string {
    this.asked.push(path)
    const text = this.lists.get(path.split('/').at(-1) ?? '')
    if (text === undefined) throw new Problem('not_found', 'no such chunk')
    return text
  }

  #chunk(digest: string): string {
    this.chunksAsked++
    const text = this.#chunks.get(digest)
    const last = [...this.#chunks.keys()].at(-1)
    if (text === undefined || (this.missingChunk && digest === last))
      throw new Problem('not_found', 'no such chunk')
    return text
  }

  /** The place that is shown is beyond ours, so a new epoch begins. */
  #proof(statement: string): unknown {
    this.proofs.push(statement)
    for (const [audience, { at, key }] of this.audiences)
      this.audiences.set(
        audience,
        new Sequence(audience, { epoch: at.epoch + 1, seq: 0, hash: '' }, key),
      )
    return { epoch: this.sequence('all').at.epoch }
  }

  #notify(): void {
    for (const changed of this.#changed) changed()
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of request) text += piece
  return text
}

function frame(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`
}
