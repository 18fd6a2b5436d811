/** Tells people and other systems what the journal says: each channel by itself, so that none waits for another. */
import type { Publisher } from '#contract/connector.ts'
import { base32 } from '#contract/id.ts'
import { nearest, Problem, toProblem } from '#contract/problem.ts'
import { findDecision } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import { type DeadLetter, dropDeadLetter, findDeadLetter } from '../store/notices.ts'
import { type Channel, type ChannelHealth, type ChannelParts, openChannel } from './channel.ts'
import { answersTo } from './compose.ts'
import { resentLine } from './dead-letter.ts'
import { describeTest } from './describe.ts'
import { publish } from './publish.ts'

export type NoticeParts = ChannelParts & { channels: ReadonlyMap<string, Publisher> }

export type Notices = {
  /** The journal grew. Costs nothing: may be called after every commit. */
  wake(): void
  channels(): ChannelHealth[]
  /** Sends a notice of its own to one channel, once. Throws `not_found`, or `service_unreachable` with what the channel says. */
  test(channel: string): Promise<void>
  /** Tries a dead letter once more, which is gone then. Throws as `test` does, and the letter stays. */
  resend(id: string, actor: string): Promise<DeadLetter>
  stop(): Promise<void>
}

/** Resolves when every channel knows where it begins, so that nothing from then on is missed. */
export async function openNotices(parts: NoticeParts): Promise<Notices> {
  const stop = new AbortController()
  const running = new Map<string, Channel>()
  for (const [name, publisher] of parts.channels)
    running.set(name, await openChannel(parts, name, publisher))
  const ends = [...running.values()].map((channel) => channel.run(stop.signal))
  const resending = new Set<string>()

  const find = (name: string): Publisher => {
    const publisher = parts.channels.get(name)
    if (publisher) return publisher
    throw noChannel(name, [...parts.channels.keys()])
  }

  const send = async (name: string, notices: DeadLetter['notices']) => {
    const publisher = find(name)
    try {
      await publish(publisher, notices, parts.pause, stop.signal)
    } catch (error) {
      throw failed(name, toProblem(error))
    }
  }

  return {
    wake: () => {
      for (const channel of running.values()) channel.wake()
    },
    channels: () => [...running.values()].map((channel) => channel.health()),
    test: async (name) => {
      const mark = base32(parts.random(5))
      await send(name, [describeTest(parts.issuer, parts.now(), mark)])
    },
    resend: async (id, actor) => {
      if (resending.has(id))
        throw new Problem('conflict', `${id} is just being sent`, { remedy: 'wait for its answer' })
      resending.add(id)
      try {
        const letter = await findDeadLetter(parts.store.read, id)
        if (!letter) throw noLetter(id)
        await send(letter.channel, await withAnswers(parts, letter.notices))
        await parts.store.write(async (tx) => {
          await dropDeadLetter(tx, id)
          await appendJournal(tx, [resentLine(letter, actor, parts.now())])
        })
        return letter
      } finally {
        resending.delete(id)
      }
    },
    stop: async () => {
      stop.abort()
      await Promise.all(ends)
      for (const publisher of parts.channels.values()) await publisher.close?.()
    },
  }
}

/** What waits still is asked with new links; the old ones may be used or over. */
async function withAnswers(parts: ChannelParts, notices: DeadLetter['notices']) {
  const answered = []
  for (const notice of notices) {
    const asks = notice.event === 'decision.wait'
    const decision = asks ? await findDecision(parts.store.read, notice.subject) : undefined
    const waits = decision?.state === 'waiting'
    answered.push({ ...notice, answers: waits ? await answersTo(parts, notice.subject) : [] })
  }
  return answered
}

/** Whatever it was, it lies between the service and the channel, and not at who asked. */
function failed(channel: string, { message, remedy }: Problem): Problem {
  return new Problem('service_unreachable', `${channel} did not take it: ${message}`, {
    ...(remedy !== undefined && { remedy }),
  })
}

function noChannel(name: string, known: readonly string[]): Problem {
  const guess = nearest(name, known)
  const there = known.length === 0 ? 'none runs' : `there are ${known.join(', ')}`
  return new Problem('not_found', `there is no channel ${name}`, {
    remedy: guess
      ? `did you mean ${guess}?`
      : `${there}; connectors that tell are set in connectors`,
  })
}

function noLetter(id: string): Problem {
  return new Problem('not_found', `there is no dead letter ${id}`, {
    remedy: 'see "cordon notice list"',
  })
}
