/** A web server with a list, in this process, that can behave in all the wrong ways. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { openWeb } from '../web-server.ts'

export type Asked = { path: string; headers: IncomingMessage['headers'] }
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export type ListServer = {
  url: string
  asked: Asked[]
  /** What it does from now on. */
  answer: Answer
  close(): Promise<void>
}

export async function startListServer(): Promise<ListServer> {
  const asked: Asked[] = []
  const web = await openWeb((request, response) => {
    asked.push({ path: request.url ?? '', headers: request.headers })
    state.answer(request, response)
  })
  const state: ListServer = {
    ...{ url: `${web.url}/list.txt`, asked, answer: says('') },
    close: web.close,
  }
  return state
}

export function says(text: string, headers: Record<string, string> = {}, status = 200): Answer {
  return (_, response) => {
    response.writeHead(status, headers).end(text)
  }
}

/** As servers with an ETag do: the text only to who does not have it. */
export function saysWithEtag(text: string, etag: string): Answer {
  return (request, response) => {
    if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
    else response.writeHead(200, { etag }).end(text)
  }
}
