/** Who listens to which audience, and the sending of each envelope to them as one prepared frame. */
import { type Position, printCursor } from '#contract/audience.ts'
import type { Envelope, Head } from '../store/outbox.ts'

/** Bytes that may wait for one slow listener before it is let go; it comes back and catches up from the store. */
const maxWaiting = 4 * 1_024 * 1_024

/** Sockets written before the event loop gets a turn: one write costs about 9 µs. */
const slice = 200

/** One connected node. */
export type Listener = {
  node: string
  /** Where this node stands once it has received all that was written to it. */
  cursor: Map<string, Position>
  /** Returns how many bytes wait in its buffer. */
  write(frame: string): number
  end(): void
}

export type Hub = {
  join(listener: Listener, audiences: readonly string[]): void
  leave(listener: Listener): void
  /** In commit order. */
  publish(envelopes: readonly Envelope[]): void
  /** A new epoch: all listeners of the audience stand at its beginning and are told to ask for the state. */
  restart(head: Head): void
  /** The same frame to all listeners of an audience. */
  broadcast(audience: string, frame: string): void
  /** Ends the streams of a node: revoked, regrouped. */
  drop(node: string, lastFrame?: string): void
  /** Audiences that somebody listens to. */
  audiences(): string[]
  connected(node: string): boolean
  count(): number
  close(): void
}

type Delivery = { listeners: Listener[]; each: (listener: Listener) => void }

export function openHub(): Hub {
  const rooms = new Map<string, Set<Listener>>()
  const everybody = new Set<Listener>()
  /** Who was let go while it was still joining must not come back in. */
  const ended = new WeakSet<Listener>()

  const leave = (listener: Listener): void => {
    everybody.delete(listener)
    for (const [audience, room] of rooms) {
      room.delete(listener)
      if (room.size === 0) rooms.delete(audience)
    }
  }
  const end = (listener: Listener): void => {
    leave(listener)
    ended.add(listener)
    listener.end()
  }
  const send = (listener: Listener, frame: string): void => {
    if (!ended.has(listener) && listener.write(frame) > maxWaiting) end(listener)
  }
  /** What is to be written to whom, in the order in which it was asked for. */
  const due: Delivery[] = []
  const deliver = (delivery: Delivery): void => {
    due.push(delivery)
    // What waits goes first: the room may be another now, and a listener must not get the later before the earlier.
    if (due.length === 1) work()
  }
  /** Who cannot be written to is let go, as a slow one is: it must not keep the others from what they wait for. */
  const attempt = (listener: Listener, each: Delivery['each']): void => {
    try {
      each(listener)
    } catch {
      end(listener)
    }
  }
  const work = (): void => {
    let room = slice
    for (let first = due[0]; first && room > 0; first = due[0]) {
      const now = first.listeners.splice(0, room)
      room -= now.length
      for (const listener of now) attempt(listener, first.each)
      if (first.listeners.length === 0) due.shift()
    }
    if (due.length > 0) setImmediate(work)
  }
  const sendEnvelope = (listener: Listener, envelope: Envelope): void => {
    const at = listener.cursor.get(envelope.audience)
    // A listener that is not exactly one behind joined in between and gets this one from the store.
    if (at && (at.epoch !== envelope.epoch || at.seq >= envelope.seq)) return
    listener.cursor.set(envelope.audience, envelope)
    send(listener, envelopeFrame(envelope, listener.cursor))
  }

  return {
    join: (listener, audiences) => {
      if (ended.has(listener)) return
      everybody.add(listener)
      for (const audience of audiences) {
        const room = rooms.get(audience) ?? new Set()
        rooms.set(audience, room.add(listener))
      }
    },
    leave,
    publish: (envelopes) => {
      for (const [audience, own] of Map.groupBy(envelopes, (envelope) => envelope.audience))
        deliver({
          listeners: [...(rooms.get(audience) ?? [])],
          each: (listener) => {
            for (const envelope of own) sendEnvelope(listener, envelope)
          },
        })
    },
    restart: (head) => {
      const frame = eventFrame('resync', { audience: head.audience, reason: 'epoch' })
      for (const listener of rooms.get(head.audience) ?? []) {
        listener.cursor.set(head.audience, head)
        send(listener, frame)
      }
    },
    broadcast: (audience, frame) => {
      const listeners = [...(rooms.get(audience) ?? [])]
      deliver({ listeners, each: (listener) => send(listener, frame) })
    },
    drop: (node, lastFrame) => {
      for (const listener of [...everybody]) {
        if (listener.node !== node) continue
        if (lastFrame !== undefined) listener.write(lastFrame)
        end(listener)
      }
    },
    audiences: () => [...rooms.keys()],
    connected: (node) => [...everybody].some((listener) => listener.node === node),
    count: () => everybody.size,
    close: () => {
      for (const listener of [...everybody]) end(listener)
    },
  }
}

/** The event id is the whole cursor: a node that reconnects with it misses and repeats nothing. */
export function envelopeFrame(envelope: Envelope, cursor: ReadonlyMap<string, Position>): string {
  return `id: ${printCursor(cursor)}\nevent: envelope\ndata: ${envelope.jws}\n\n`
}

export function eventFrame(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}
