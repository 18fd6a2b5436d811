/** Asks the demo's service over HTTP, trusting its own certificate only, over one connection that is kept. */
import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent, request } from 'node:https'

export type Ask = (method: 'GET' | 'POST', path: string, body?: string) => Promise<Answer>
/** `at` is when the last byte had come, in monotonic ns. */
export type Answer = { at: number; text: string }

export function asker(url: string, token: string, certificate: string | undefined): Ask {
  const plain = certificate === undefined
  const agent = plain
    ? new PlainAgent({ keepAlive: true })
    : new Agent({ keepAlive: true, ca: certificate })
  const send = plain ? plainRequest : request
  return (method, path, body = '') =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(method === 'POST' && { 'content-length': Buffer.byteLength(body) }),
      }
      const sent = send(`${url}${path}`, { method, agent, headers }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        answer.on('end', () => {
          const at = Number(process.hrtime.bigint())
          if ((answer.statusCode ?? 500) < 300) resolve({ at, text })
          else reject(new Error(`${method} ${path}: ${text}`))
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
}
