/** From the alert to the telephone and back: the question is told with links, and one of them answers it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import pino from 'pino'
import type { Notice } from '#contract/notice.ts'
import { openNotices } from '../../actions/notice/notices.ts'
import { recorder } from '../notice/stage.ts'
import { ask, held, open } from './stage.ts'

test('a question is told with links, of which one answers it', async (t) => {
  const service = await open(t)
  const channel = recorder({ events: ['decision.wait'] })
  const { promise, resolve } = Promise.withResolvers<readonly Notice[]>()
  channel.answer = (notices) => resolve(notices)
  const notices = await openNotices({
    store: service.flow.store,
    channels: new Map([['telephone', channel.publisher]]),
    issuer: 'cordon-test',
    now: () => service.clock.now,
    random: (bytes) => new Uint8Array(bytes),
    log: pino({ level: 'silent' }),
    pause: (ms, stop) => setTimeout(ms, undefined, { signal: stop }).catch(() => {}),
    answersFor: service.flow.links.answersFor,
  })
  t.after(() => notices.stop())
  await ask(service, '203.0.113.9')
  notices.wake()
  const [told] = await promise
  assert.deepEqual(
    told?.answers.map(({ label }) => label),
    ['Approve', 'Decline'],
  )
  const path = new URL(told.answers[0]?.url ?? '').pathname
  const body = new URLSearchParams({ reason: 'from the telephone' }).toString()
  assert.equal((await service.app.request(path, { method: 'POST', body })).status, 200)
  assert.deepEqual(await held(service), ['203.0.113.9'])
})
