/** `cordon policy …`: check and test a file here, show and reload the one in force there. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { contains, readAddress } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { type Policy, readPolicy } from '../decide/policy.ts'
import { runPolicyTests } from '../decide/policy-test.ts'
import { answer } from './answer.ts'
import { Message } from './answers.ts'
import { openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { paint } from './paint.ts'
import { printProblem } from './run.ts'

/** RFC 1918 and RFC 4193: where one's own machines are. */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(
  readAddress,
)

/** Good is what the service would take: a file that reads, and whose own tests pass. */
export const checkPolicy: Handler = async (asked, io) => {
  const policy = readHere(asked, io)
  if (!policy) return 3
  const failed = runPolicyTests(policy).filter(({ passed }) => !passed)
  const [rules, tests] = [policy.rules.length, policy.tests.length]
  const file = printable(asked.argument('file'))
  if (failed.length === 0) tellUnprotected(policy, io)
  answer(
    asked,
    io,
    { good: failed.length === 0, rules, tests, failed: failed.map(({ name }) => name) },
    () =>
      failed.length === 0
        ? `${file} is good: ${rules} rules, ${tests} tests pass\n`
        : `${file} is refused: ${failed.length} of ${tests} tests fail; see cordon policy test\n`,
  )
  return failed.length === 0 ? 0 : 3
}

/** A wrong alert about an own machine cuts it off; whoever means that has read it here. */
function tellUnprotected(policy: Policy, io: Io): void {
  const open = privateNetworks.filter(
    (network) => !policy.protect.some(({ address }) => contains(address, network)),
  )
  if (open.length > 0)
    io.err(`note: private and not in protect: ${open.map(({ text }) => text).join(', ')}\n`)
}

export const testPolicy: Handler = async (asked, io) => {
  const policy = readHere(asked, io)
  if (!policy) return 3
  const results = runPolicyTests(policy)
  const told = results.map(({ name, passed, wanted, got }) => ({ name, passed, wanted, got }))
  answer(asked, io, told, () =>
    results
      .map(({ name, passed, wanted, got }) =>
        passed
          ? `${paint(io, 'out', 'green', 'ok')}    ${printable(name)}\n`
          : `${paint(io, 'out', 'red', 'fails')} ${printable(name)}\n      wanted ${printable(wanted)}\n      got    ${printable(got)}\n`,
      )
      .join(''),
  )
  const failed = results.filter(({ passed }) => !passed).length
  io.err(`${results.length - failed} of ${results.length} tests pass\n`)
  return failed === 0 ? 0 : 3
}

export const showPolicy: Handler = async (asked, io) => {
  const Shown = z.looseObject({ policy: z.string() })
  const { policy } = await openClient(io.environment).get('/v1/policy', Shown)
  answer(asked, io, { policy }, () => (policy.endsWith('\n') ? policy : `${policy}\n`))
  return 0
}

export const reloadPolicy: Handler = async (asked, io) => {
  const done = await openClient(io.environment).post('/v1/policy/reload', {}, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

/** Undefined, and said why, for a file that is no policy: that is an answer and no failure. */
function readHere(asked: Asked, io: Io): Policy | undefined {
  const text = readPolicyFile(asked.argument('file'))
  try {
    return readPolicy(text)
  } catch (error) {
    const problem = toProblem(error)
    if (problem.code !== 'policy_invalid') throw problem
    if (asked.json) io.out(`${JSON.stringify({ good: false, problem })}\n`)
    printProblem(problem, io)
    return undefined
  }
}

/** Throws `not_found`. */
export function readPolicyFile(file: string | URL): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Problem('not_found', `cannot read the policy file ${String(file)}`, {
      remedy: 'check the path and that this user may read it',
      cause: error,
    })
  }
}
