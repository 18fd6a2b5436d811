/** What a person at the machine is told about the agent: over a socket in the state folder, as one JSON text. */
import { rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { PostureReceipt } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import { FeedReceipt } from '#contract/receipt.ts'

export const AgentStatus = z.object({
  node: z.string(),
  service: z.string(),
  /** True only when a kernel back end is in use and the kernel holds what is wished. */
  enforcing: z.boolean(),
  backend: z.string(),
  fallback: z.string().optional(),
  connected: z.boolean(),
  /** Epoch milliseconds of the service's clock. */
  now: z.number(),
  started: z.number(),
  clock_offset_ms: z.number(),
  clock_measured: z.boolean(),
  cursor: z.string(),
  claims: z.number(),
  elements: z.number(),
  /** Of the claims those that are more than a plain block. */
  scoped: z.number(),
  /** Since the agent started: decisions in force that stopped something, and packets. */
  hits: z.object({ decisions: z.number(), packets: z.number() }),
  /** Lists that are enforced as a whole. */
  feeds: z.array(FeedReceipt).optional(),
  /** Standing rules of its audiences. */
  postures: z.array(PostureReceipt).optional(),
  receipts_waiting: z.number(),
  receipts_given_up: z.number(),
  last_healing: z.object({ at: z.number(), why: z.string() }).optional(),
  problems: z.array(
    z.object({
      part: z.string(),
      code: z.string(),
      message: z.string(),
      remedy: z.string().optional(),
    }),
  ),
  protected: z.array(z.object({ address: z.string(), why: z.string() })),
})
export type AgentStatus = z.infer<typeof AgentStatus>

const answerTimeoutMs = 5_000

/** Resolves when it listens. The state folder is its owner's alone, and so is the socket. */
export async function serveStatus(folder: string, status: () => AgentStatus): Promise<() => void> {
  const path = socketPath(folder)
  rmSync(path, { force: true })
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(`${JSON.stringify(status())}\n`)
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(path, resolve)
  await promise
  server.unref()
  return () => {
    server.close()
    rmSync(path, { force: true })
  }
}

/** Throws `not_found` when no agent runs on this state folder. */
export async function askStatus(folder: string): Promise<AgentStatus> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = createConnection(socketPath(folder))
  let text = ''
  socket.setEncoding('utf8')
  socket.setTimeout(answerTimeoutMs, () => socket.destroy(new Error('no answer in time')))
  socket.on('data', (piece) => {
    text += piece
  })
  socket.on('end', () => resolve(text))
  socket.on('error', reject)
  try {
    return AgentStatus.parse(JSON.parse(await promise))
  } catch (error) {
    throw new Problem('not_found', `no agent answers at ${socketPath(folder)}`, {
      remedy: 'start it with "cordon agent run", and ask as the user it runs as',
      cause: error,
    })
  }
}

function socketPath(folder: string): string {
  return join(folder, 'status.sock')
}
