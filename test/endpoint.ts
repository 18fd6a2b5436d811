/** Sends and receives marked datagrams and TCP lines, in this process or as a host in another namespace. */
import { createSocket, type Socket } from 'node:dgram'
import { connect, createServer, isIPv6, type Socket as TcpSocket } from 'node:net'

/** Where every endpoint listens, on all addresses. */
export const probePort = 4000

export type Endpoint = {
  /** False when this machine's own kernel refused to send it. */
  send(from: string, to: string, mark: string): Promise<boolean>
  /** Whether the mark came in, already or within this time. */
  arrived(mark: string, withinMs: number): Promise<boolean>
  /** Sends as fast as it can until `stopFlood`, which says how many datagrams left. */
  flood(from: string, to: string, mark: string): Promise<void>
  stopFlood(): Promise<number>
  /** How often the mark came in. */
  count(mark: string): Promise<number>
  /** Opens a TCP connection and returns its name; resolves when it stands. */
  open(from: string, to: string): Promise<string>
  /** Sends a mark as a line over it. */
  say(connection: string, mark: string): Promise<void>
  close(): Promise<void>
}

export async function startEndpoint(): Promise<Endpoint> {
  const counts = new Map<string, number>()
  const waiting = new Map<string, () => void>()
  const saw = (mark: string) => {
    counts.set(mark, (counts.get(mark) ?? 0) + 1)
    waiting.get(mark)?.()
  }
  const ears = await Promise.all([hear('udp4', saw), hear('udp6', saw)])
  const server = await serve(saw)
  const mouths = new Map<string, Promise<Socket>>()
  const connections = new Map<string, TcpSocket>()
  let flooding: { stopped: boolean; done: Promise<number> } | undefined

  const mouth = (from: string) => {
    const known = mouths.get(from)
    if (known) return known
    const fresh = bound(isIPv6(from) ? 'udp6' : 'udp4', from, 0)
    mouths.set(from, fresh)
    return fresh
  }
  const send = async (from: string, to: string, mark: string) => sent(await mouth(from), to, mark)

  return {
    send,
    async arrived(mark, withinMs) {
      if (counts.has(mark)) return true
      const came = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), withinMs)
        waiting.set(mark, () => {
          clearTimeout(timer)
          resolve(true)
        })
      })
      waiting.delete(mark)
      return came
    },
    async flood(from, to, mark) {
      const state = { stopped: false, done: Promise.resolve(0) }
      state.done = (async () => {
        let left = 0
        for (; !state.stopped; left++) {
          await send(from, to, mark)
          // Sending completes at once; the order to stop must get its turn.
          await new Promise(setImmediate)
        }
        return left
      })()
      flooding = state
    },
    async stopFlood() {
      if (!flooding) return 0
      flooding.stopped = true
      return flooding.done
    },
    async count(mark) {
      return counts.get(mark) ?? 0
    },
    async open(from, to) {
      const socket = connect({ host: to, port: probePort, localAddress: from })
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
      socket.on('error', () => {})
      const name = `${from} ${socket.localPort}`
      connections.set(name, socket)
      return name
    },
    async say(connection, mark) {
      connections.get(connection)?.write(`${mark}\n`)
    },
    async close() {
      if (flooding) flooding.stopped = true
      for (const ear of ears) ear.close()
      for (const socket of await Promise.all(mouths.values())) socket.close()
      for (const connection of connections.values()) connection.destroy()
      server.close()
    },
  }
}

async function hear(type: 'udp4' | 'udp6', saw: (mark: string) => void): Promise<Socket> {
  const socket = await bound(type, type === 'udp4' ? '0.0.0.0' : '::', probePort)
  socket.on('message', (bytes) => saw(bytes.toString()))
  return socket
}

function bound(type: 'udp4' | 'udp6', address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6', recvBufferSize: 4_000_000 })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    // What is waited for has a timer; nothing else needs to keep the process.
    socket.unref().bind(port, address, () => resolve(socket))
  })
}

function sent(socket: Socket, to: string, mark: string): Promise<boolean> {
  return new Promise((resolve) => socket.send(mark, probePort, to, (error) => resolve(!error)))
}

async function serve(saw: (mark: string) => void) {
  const server = createServer((socket) => {
    socket.unref().on('error', () => {})
    socket.setEncoding('utf8').on('data', (text: string) => {
      for (const mark of text.split('\n')) if (mark !== '') saw(mark)
    })
  })
  server.unref()
  await new Promise<void>((resolve) => server.listen(probePort, '::', resolve))
  return server
}
