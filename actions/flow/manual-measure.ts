/** What a person orders to be done to which traffic: checked, so that a node can do just that. */
import { type Protocol, portProtocols, type Rate } from '#contract/action.ts'
import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Measure, Narrowing } from '../decide/measure.ts'

export const measures = ['block', 'allow', 'limit'] as const

/** As it was asked for; what is absent is plain. */
export type Wished = {
  action?: (typeof measures)[number] | undefined
  response?: 'drop' | 'reject' | undefined
  rate?: Rate | undefined
  interface?: string | undefined
  protocol?: Protocol | undefined
  ports?: string[] | undefined
}

/** Throws `invalid_input`. */
export function readMeasure({ action = 'block', response, rate }: Wished): Measure {
  if (response !== undefined && action !== 'block')
    throw wrong(`${action} takes no response`, 'only what is blocked can be rejected')
  if (rate !== undefined && action !== 'limit')
    throw wrong(`${action} takes no rate`, 'order a limit: cordon limit ADDRESS --rate 20/second')
  if (action === 'allow') return { action }
  if (action === 'block') return response === 'reject' ? { action, response } : { action }
  if (rate === undefined)
    throw wrong('a limit without a rate', 'say how much may pass: --rate 20/second --burst 40')
  return { action, rate }
}

/** Throws `invalid_input`. */
export function readScope(wished: Wished, { family }: Address): Narrowing {
  const { interface: name, protocol, ports } = wished
  if (ports !== undefined && !portProtocols.some((one) => one === protocol))
    throw wrong(
      protocol === undefined ? 'ports without a protocol' : `${protocol} has no ports`,
      `name one that has ports: ${portProtocols.join(', ')}`,
    )
  const other = family === 4 ? 'icmpv6' : 'icmp'
  if (protocol === other)
    throw wrong(
      `${protocol} is none of IPv${family}`,
      `for this target it is ${family === 4 ? 'icmp' : 'icmpv6'}`,
    )
  return {
    ...(name !== undefined && { interface: name }),
    ...(protocol !== undefined && { protocol }),
    ...(ports !== undefined && { ports }),
  }
}

function wrong(message: string, remedy: string): Problem {
  return new Problem('invalid_input', message, { remedy })
}
