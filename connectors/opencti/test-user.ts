/** The findings of everything that speaks to a platform: it is there, takes the token, and lets its user do the work. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import type { Step } from '../find.ts'
import { placeOf, reach } from '../reach.ts'
import { type Client, openClient } from './client/client.ts'
import type { Platform } from './client/platform-settings.ts'
import { askMe, type Me } from './client/questions/me.ts'
import { probePlatform } from './client/questions/probe.ts'

export type Tried = { platform: Platform; client: Client; signal: AbortSignal }

export function tried(platform: Platform, signal: AbortSignal): Tried {
  return { platform, client: openClient(platform), signal }
}

export function userSteps(open: () => Tried): Step[] {
  return [
    {
      what: 'address',
      find: async () => {
        const { platform, signal } = open()
        const { base, ca, verify, timeoutMs } = platform
        const place = placeOf(new URL(base), ca)
        if (verify) return reach(place, timeoutMs, signal)
        const found = await reach({ ...place, tls: false }, timeoutMs, signal)
        return `${found}; ssl_verify is false, so that it proves nothing`
      },
    },
    {
      what: 'token',
      find: async () => {
        const { client, signal } = open()
        return printable(`accepted, as the user ${(await askMe(client, signal)).name}`)
      },
    },
    {
      what: 'platform',
      find: async () => {
        const { client, signal } = open()
        const { version } = await probePlatform(client, signal)
        return printable(`OpenCTI ${version ?? 'of an unknown version'}`)
      },
    },
  ]
}

/** A capability as the platform names it, and what it is for. */
export type Need = readonly [capability: string, purpose: string]

/** Who writes needs a confidence level besides. */
export function rightsStep(open: () => Tried, needs: readonly Need[], writes: boolean): Step {
  return {
    what: 'rights',
    find: async () => {
      const { client, signal } = open()
      const me = await askMe(client, signal)
      const missing = needs.filter(([capability]) => !me.may(capability))
      if (missing.length > 0) throw lacks(me, missing)
      if (writes && me.maxConfidence === undefined) throw noConfidence(me)
      return `has ${needs.map(([capability]) => capability).join(', ')}`
    },
  }
}

function lacks({ name }: Me, missing: readonly Need[]): Problem {
  const told = missing.map(([capability, purpose]) => `${capability} (${purpose})`).join(', ')
  return new Problem('forbidden', printable(`${name} lacks ${told}`), {
    remedy: "put the token's user in the group Connectors (role Connector)",
  })
}

function noConfidence({ name }: Me): Problem {
  return new Problem('forbidden', printable(`${name} has no maximum confidence level`), {
    remedy: 'give one to the user or its group: without it the platform creates nothing',
  })
}
