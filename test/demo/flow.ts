/** One TCP flow that ticks: opened once, never reopened by itself, and what became of its two sockets. */
import {
  acceptOne,
  closeSocket,
  inNamespace,
  openSocket,
  receiveBytes,
  sendBytes,
  startConnecting,
  startListening,
} from './raw-socket.ts'

/** Times in monotonic ns. */
export type FlowSeen = {
  /** Bytes that the client's kernel took, and that the node's program read. */
  sent: number
  received: number
  lastIn: number | undefined
  /** The longest time between two reads. */
  longestSilence: number
  /** The node's socket ended with an error of the system. */
  freed: Ended | undefined
  /** The client's did. */
  reset: Ended | undefined
  /** After that, a new flow of the same client came in. */
  again: number | undefined
}
export type Ended = { at: number; errno: number }

const port = 2222
const line = Buffer.from('still on\n')
const retryNs = 50e6

type Where = { client: string; source: string }
type Whither = { node: string; to: string }

export class Flow {
  readonly #from: Where
  readonly #to: string
  readonly #door: number
  #client: number
  #server: number | undefined
  #tried = 0
  readonly #seen: FlowSeen = {
    sent: 0,
    received: 0,
    lastIn: undefined,
    longestSilence: 0,
    freed: undefined,
    reset: undefined,
    again: undefined,
  }

  /** Each flow has a door of its own, named by the last part of its source. */
  constructor(from: Where, { node, to }: Whither) {
    this.#from = from
    this.#to = to
    this.#door = inNamespace(node, () => openSocket('tcp', to, this.#port()))
    startListening(this.#door)
    this.#client = this.#connect()
  }

  tick(now: number): void {
    this.#server ??= acceptOne(this.#door)
    if (this.#seen.reset) this.#tryAgain(now)
    else this.#send(now)
    if (this.#server !== undefined && !this.#seen.freed) this.#read(this.#server, now)
  }

  seen(): FlowSeen {
    return this.#seen
  }

  #send(now: number): void {
    const taken = sendBytes(this.#client, line)
    if (typeof taken === 'number') this.#seen.reset = { at: now, errno: taken }
    else if (taken) this.#seen.sent += line.length
  }

  #read(server: number, now: number): void {
    for (;;) {
      const bytes = receiveBytes(server)
      if (bytes === undefined) return
      if (typeof bytes === 'number' || bytes.length === 0) {
        this.#seen.freed = { at: now, errno: typeof bytes === 'number' ? bytes : 0 }
        return
      }
      const { lastIn = now, longestSilence } = this.#seen
      this.#seen.longestSilence = Math.max(longestSilence, now - lastIn)
      this.#seen.received += bytes.length
      this.#seen.lastIn = now
    }
  }

  #tryAgain(now: number): void {
    if (this.#seen.again !== undefined) return
    if (acceptOne(this.#door) !== undefined) this.#seen.again = now
    if (now - this.#tried < retryNs) return
    this.#tried = now
    closeSocket(this.#client)
    this.#client = this.#connect()
  }

  #connect(): number {
    const { client, source } = this.#from
    return inNamespace(client, () => {
      const fd = openSocket('tcp', source)
      startConnecting(fd, this.#to, this.#port())
      return fd
    })
  }

  #port(): number {
    return port + Number(this.#from.source.split('.').at(-1))
  }
}
