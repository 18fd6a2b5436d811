/** What is read of an answer: all of it up to a bound, and never half of it as if it were all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readText } from '../../connectors/read-text.ts'

const asked = { who: 'kibana', address: 'kibana of elastic', mostBytes: 10 }

test('a letter of several bytes may be cut between two pieces', async () => {
  const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)]
  const body = ReadableStream.from([Buffer.from('caf'), first, second].map(plain))
  assert.equal(await readText({ body }, asked), 'café')
})

test('an answer without a body is an empty text', async () => {
  assert.equal(await readText({ body: null }, asked), '')
})

test('an answer without end is left where it is too large, and says which setting to check', async () => {
  let given = 0
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      given += 4
      controller.enqueue(new Uint8Array(4))
    },
  })
  await assert.rejects(readText({ body: endless }, asked), {
    code: 'too_large',
    message: 'kibana sent more than 10 bytes',
    remedy: /kibana of elastic/,
  })
  assert.ok(given < 100, `${given}`)
})

test('an answer that breaks off is no answer', async () => {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.error(new Error('reset')),
  })
  await assert.rejects(readText({ body }, asked), { code: 'service_unreachable' })
})

function plain(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
