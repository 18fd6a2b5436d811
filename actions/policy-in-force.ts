/** The policy that judges now: read from its file, or the default; exchanged only for one that is right. */
import { readFileSync } from 'node:fs'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { type Policy, readPolicy } from './decide/policy.ts'
import { runPolicyTests } from './decide/policy-test.ts'
import type { FlowParts } from './flow/flow.ts'

export const defaultPolicyFile = new URL('./default-policy.yaml', import.meta.url)

/** `protect` adds networks that the settings name. Throws `policy_invalid`, also when a test of the policy fails. */
export function openPolicy(file: string | URL, protect: readonly string[]): FlowParts['policy'] {
  let { text, policy } = load(file, protect)
  return {
    current: () => policy,
    text: () => text,
    read: () => {
      const next = load(file, protect)
      const use = () => {
        ;({ text, policy } = next)
      }
      return { text: next.text, use }
    },
  }
}

function load(file: string | URL, protect: readonly string[]): { text: string; policy: Policy } {
  const text = readText(file)
  const read = readPolicy(text)
  const named = protect.map((network) => ({
    address: readAddress(network),
    why: 'named in the settings',
  }))
  const failed = runPolicyTests(read).find(({ passed }) => !passed)
  if (failed)
    throw new Problem(
      'policy_invalid',
      `its test "${failed.name}" fails: wanted ${failed.wanted}, got ${failed.got}`,
      {
        remedy: 'run "cordon policy test" on the file and correct the rule or the test',
      },
    )
  return { text, policy: { ...read, protect: [...read.protect, ...named] } }
}

function readText(file: string | URL): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Problem('setting_invalid', `the policy file ${String(file)} cannot be read`, {
      remedy: 'check CORDON_POLICY and that this user may read the file',
      cause: error,
    })
  }
}
