/** Puts questions to one provider: as many as it allows, and none while it fails. */
import type { Logger } from 'pino'
import type { HttpAnswer, Lookup, LookupRequest } from '#contract/connector.ts'
import { printDuration } from '#contract/duration.ts'
import { Intelligence } from '#contract/intelligence.ts'
import { Problem, type ProblemCode, toProblem } from '#contract/problem.ts'
import { openAllowance } from './allowance.ts'
import { openBreaker } from './breaker.ts'
import type { Clocks } from './clocks.ts'
import { type Fetch, fetchAnswer } from './fetch-answer.ts'
import { openGathering } from './gather.ts'

/** On the way at once; in an attack by many there are more attackers than anybody may ask about. */
const mostAtOnce = 32
/** The same where one question may be about many. */
const mostWaiting = 1_000

/** To go on with a key that is refused does harm: vendors shut out who does. */
const fatal: readonly ProblemCode[] = ['unauthenticated', 'forbidden']

export type Questions = {
  /** Throws `rate_limited`, `overloaded`, `unsupported` and what the provider's silence is. */
  ask(address: string): Promise<Intelligence>
  /** Asked before this start, in epoch milliseconds. */
  recall(asked: readonly number[]): void
  /** Why nobody is asked now; undefined when one may be. */
  problem(): Problem | undefined
  details(): Record<string, string | number>
  stop(): void
}

export function openQuestions(
  name: string,
  lookup: Lookup,
  parts: Clocks & { fetch: Fetch; log: Logger },
): Questions {
  const allowance = openAllowance(lookup.limits, parts)
  const breaker = openBreaker(parts)
  const stopping = new AbortController()
  const counts = { asked: 0, failed: 0 }
  let underWay = 0
  let lastProblem: Problem | undefined

  const problem = (): Problem | undefined => {
    if (lookup.unusable) return lookup.unusable
    if (stopping.signal.aborted)
      return new Problem('service_unreachable', `${name} is not asked any more: the service stops`)
    const shut = breaker.pauseMs()
    if (shut > 0) return leftAlone(name, shut, lastProblem)
    const pause = allowance.pauseMs()
    return pause > 0 ? usedUp(name, pause) : undefined
  }

  /** An answer that says no is an answer: the provider works. */
  const answered = <Read>(answer: HttpAnswer, read: (answer: HttpAnswer) => Read): Read => {
    const quota = lookup.quota(answer, parts.now())
    try {
      const said = read(answer)
      allowance.told(quota)
      return said
    } catch (error) {
      if (toProblem(error).code === 'rate_limited') allowance.refused(quota)
      else allowance.told(quota)
      throw error
    }
  }

  const put = async <Read>(
    request: LookupRequest,
    read: (answer: HttpAnswer) => Read,
  ): Promise<Read> => {
    const hindrance = problem() ?? tooMany(name, underWay)
    if (hindrance) throw hindrance
    allowance.spend()
    counts.asked++
    underWay++
    const ticket = breaker.begin()
    try {
      const { waitMs } = lookup
      const fetch = lookup.fetch ?? parts.fetch
      const answer = await fetchAnswer(fetch, name, request, waitMs, stopping.signal)
      const said = answered(answer, read)
      if (ticket.succeeded()) parts.log.info({ provider: name }, 'a provider answers again')
      return said
    } catch (error) {
      const silent = toProblem(error)
      if (silent.code === 'rate_limited' || silent.code === 'unsupported') ticket.succeeded()
      else {
        counts.failed++
        lastProblem = silent
        if (ticket.failed(fatal.includes(silent.code)) && !stopping.signal.aborted)
          parts.log.warn(
            { provider: name, problem: silent },
            'a provider is left alone for a while',
          )
      }
      throw silent
    } finally {
      underWay--
    }
  }

  const requestOf = (address: string): LookupRequest => {
    const request = lookup.request(address)
    if (request) return request
    throw new Problem('unsupported', `${name} cannot be asked about ${address}`)
  }
  const { many } = lookup
  const gather =
    many &&
    openGathering({
      most: (address) => many.most(address),
      mostWaiting,
      ask: (addresses) => put(many.request(addresses), (answer) => many.read(answer, addresses)),
      silent: (address) =>
        new Problem('invalid_input', `${name} said nothing of ${address}`, {
          remedy: 'it is asked again for the next alert from this address',
        }),
    })
  return {
    ask: async (address) => {
      const hindrance = problem()
      if (hindrance) throw hindrance
      // Who cannot be asked about is known before he spoils a question about others.
      const request = requestOf(address)
      if (gather) return check(name, await gather(address), address)
      return put(request, (answer) => check(name, lookup.read(answer, address), address))
    },
    recall: allowance.recall,
    problem,
    details: () => ({ breaker: breaker.state(), ...allowance.details(), ...counts }),
    stop: () => stopping.abort(),
  }
}

function check(name: string, said: Intelligence, address: string): Intelligence {
  const read = Intelligence.parse(said)
  if (read.provider === name && read.address === address) return read
  throw new Problem('internal', `${name} says it is ${read.provider} on ${read.address}`)
}

function leftAlone(name: string, ms: number, last: Problem | undefined): Problem {
  return new Problem(
    last?.code ?? 'service_unreachable',
    `${name} failed and is left alone for ${printDuration(ms)}`,
    {
      remedy: last?.remedy ?? 'it is tried again by itself',
      ...(last ? { cause: last } : {}),
    },
  )
}

function usedUp(name: string, ms: number): Problem {
  return new Problem(
    'rate_limited',
    `the quota of ${name} is used up; it is asked again in ${printDuration(ms)}`,
    { remedy: 'wait, ask it in fewer rules, or get a larger quota and set it in its settings' },
  )
}

function tooMany(name: string, underWay: number): Problem | undefined {
  if (underWay < mostAtOnce) return undefined
  return new Problem('overloaded', `${underWay} questions to ${name} are on the way already`, {
    remedy: 'ask it in fewer rules, or only for the graver alerts',
  })
}
