/** HTTPS to the service under test, by its own certificate. */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { type Body, readBody } from '../body.ts'

export type Web = {
  /** From now on that certificate is trusted and that token shown. */
  trust(certificate: string, token: string): void
  /** Rejects when no whole answer comes. */
  ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<{ status: number; body: Body }>
  close(): void
}

const answerMs = 60_000

export function openWeb(base: string): Web {
  let agent = new Agent()
  let token = ''
  return {
    trust: (certificate, secret) => {
      agent = new Agent({ keepAlive: true, ca: readFileSync(certificate) })
      token = secret
    },
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
        const options = { method, agent, headers, timeout: answerMs }
        const sent = request(new URL(path, base), options, (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (part: string) => {
            text += part
          })
          answer.once('error', reject)
          answer.once('end', () => {
            const type = answer.headers['content-type'] ?? ''
            resolve({ status: answer.statusCode ?? 0, body: readBody(type, text) })
          })
        })
        sent.once('timeout', () => sent.destroy(new Error(`no answer in ${answerMs} ms`)))
        sent.once('error', reject)
        sent.end(body === undefined ? undefined : JSON.stringify(body))
      }),
    close: () => agent.destroy(),
  }
}
