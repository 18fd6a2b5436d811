/** Takes jobs that the platform's workers post, one after the other; what is not answered with 200 they bring again. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { isLoopback } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { EnrichmentSettings } from './enrichment-settings.ts'

/** The platform's own limit of a body. */
const mostBytes = 52_428_800

export type CallbackParts = {
  settings: EnrichmentSettings
  /** Whether the caller may hand in jobs. */
  allowed(authorization: string | undefined): boolean
  job(text: string): Promise<void>
}

/** Resolves when stopped, rejects when it cannot listen. */
export async function takeCallbacks(
  { settings, allowed, job }: CallbackParts,
  stop: AbortSignal,
  ready: () => void,
): Promise<void> {
  const path = new URL(settings.callback_uri).pathname
  let last: Promise<unknown> = Promise.resolve()
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== 'POST' || request.url?.split('?')[0] !== path) return end(response, 404)
    if (!allowed(request.headers.authorization)) return end(response, 401)
    const text = await readBody(request)
    if (text === undefined) return end(response, 413)
    const done = last.then(() => job(text))
    last = done.catch(() => {})
    await done
    end(response, 200)
  }
  const server = open(settings, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      end(response, 503, toProblem(error).message)
    })
  })
  const { promise: failed, reject } = Promise.withResolvers<never>()
  server.on('error', (error) => reject(cannotListen(settings.callback_listen, error)))
  const { host, port } = whereTo(settings.callback_listen)
  server.listen(port, host, ready)
  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  const halt = () => resolve()
  stop.addEventListener('abort', halt, { once: true })
  if (stop.aborted) halt()
  try {
    await Promise.race([stopped, failed])
    await last
  } finally {
    stop.removeEventListener('abort', halt)
    server.close()
    server.closeAllConnections()
  }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

function open(settings: EnrichmentSettings, handler: Handler) {
  const { callback_key: key, callback_cert: cert } = settings
  if (key !== undefined && cert !== undefined) return createTlsServer({ key, cert }, handler)
  const { host } = whereTo(settings.callback_listen)
  if (isLoopback(host)) return createServer(handler)
  throw new Problem('setting_invalid', `jobs to ${host} would come with a token in the clear`, {
    remedy: 'set callback_key and callback_cert, or listen on loopback behind a proxy with TLS',
  })
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    const piece = Buffer.from(chunk)
    bytes += piece.length
    if (bytes > mostBytes) return undefined
    chunks.push(piece)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function end(response: ServerResponse, status: number, error?: string): void {
  if (response.headersSent) return
  const body = error === undefined ? { status } : { status, error }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function whereTo(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}

function cannotListen(where: string, error: Error): Problem {
  return new Problem('setting_invalid', `cannot take jobs at ${where}`, {
    remedy: 'set callback_listen to an address of this machine and a port that is free',
    cause: error,
  })
}
