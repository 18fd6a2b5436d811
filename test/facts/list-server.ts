/** A web server with a list, in this process, that can behave in all the wrong ways. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

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
  const state: ListServer = {
    url: '',
    asked,
    answer: says(''),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const server = createServer((request, response) => {
    asked.push({ path: request.url ?? '', headers: request.headers })
    state.answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  state.url = `http://127.0.0.1:${port}/list.txt`
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
