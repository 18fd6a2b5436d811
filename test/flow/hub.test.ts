/** Sending to more listeners than one turn serves: none is passed over, and none hears the later before the earlier. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Listener, openHub } from '../../actions/flow/hub.ts'
import type { Envelope } from '../../actions/store/outbox.ts'

const count = 900

describe('with more listeners than one turn serves', () => {
  test('each hears every envelope once and in order, also when others leave in between', async () => {
    const { hub, listeners, heard } = room()
    hub.publish([envelope(1), envelope(2)])
    for (const listener of listeners.slice(0, 300)) hub.leave(listener)
    hub.publish([envelope(3)])
    hub.publish([envelope(4), envelope(5)])
    await delivered(heard, 5)
    for (const listener of listeners.slice(300))
      assert.deepEqual(heard.get(listener), ['1', '2', '3', '4', '5'])
  })

  test('none hears of a head before the envelope that leads there', async () => {
    const { hub, listeners, heard } = room()
    hub.publish([envelope(1)])
    for (const listener of listeners.slice(0, 300)) hub.leave(listener)
    hub.broadcast('all', 'event: head\ndata: h\n\n')
    await delivered(heard, 2)
    for (const listener of listeners.slice(300)) assert.deepEqual(heard.get(listener), ['1', 'h'])
  })

  test('one that cannot be written to is let go, and the others hear all', async () => {
    const { hub, listeners, heard } = room()
    const broken = listeners[400]
    assert.ok(broken)
    broken.write = () => {
      throw new Error('gone')
    }
    hub.publish([envelope(1)])
    hub.publish([envelope(2)])
    await delivered(heard, 2)
    assert.equal(hub.connected(broken.node), false)
    assert.equal(hub.count(), count - 1)
    assert.deepEqual(heard.get(broken), [])
  })
})

function room() {
  const hub = openHub()
  const heard = new Map<Listener, string[]>()
  const listeners = Array.from({ length: count }, (_, n) => {
    const words: string[] = []
    const listener: Listener = {
      node: `web-${n}`,
      cursor: new Map(),
      write: (frame) => {
        words.push(/data: (.*)\n/.exec(frame)?.[1] ?? '')
        return 0
      },
      end: () => {},
    }
    heard.set(listener, words)
    hub.join(listener, ['all'])
    return listener
  })
  return { hub, listeners, heard }
}

function envelope(seq: number): Envelope {
  return { audience: 'all', epoch: 1, seq, hash: `h${seq}`, jws: `${seq}`, created: 0 }
}

/** Until the last listener has heard so much, but not for ever. */
async function delivered(heard: Map<Listener, string[]>, words: number): Promise<void> {
  for (let n = 0; n < 100 && ([...heard.values()].at(-1)?.length ?? 0) < words; n++) await turn()
}
