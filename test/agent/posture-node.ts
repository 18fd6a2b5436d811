/** The part of a node that holds standing rules, with a held clock and a service that answers or does not. */

import { tokenType } from '#contract/envelope.ts'
import type { Posture, PostureReceipt, PostureRule } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import { chunkDigest } from '#contract/snapshot.ts'
import type { Protected } from '../../agent/guard.ts'
import type { ScopedElement } from '../../agent/kernel/firewall.ts'
import type { PostureTable } from '../../agent/kernel/posture-table.ts'
import { Postures } from '../../agent/posture.ts'
import { type AllowedSets, allowedSets, printAllowed } from '../../agent/posture-allowed.ts'
import { PostureMemory } from '../../agent/posture-memory.ts'
import {
  printConfirmed,
  printOpening,
  printPosture,
  printProtected,
} from '../../agent/posture-script.ts'
import { nameSets } from '../../agent/posture-sets.ts'
import { holdTime } from '../held-time.ts'
import { issuer, type SigningKey, serviceKey, sign, today, trusting } from './signer.ts'

/** Rules with all that may be left out. */
export function posture(
  rules: readonly PostureRule[],
  more: { default?: 'accept' | 'drop'; countries?: Record<string, readonly string[]> } = {},
): { posture: Posture; chunks: Map<string, string> } {
  const chunks = new Map<string, string>()
  const countries = Object.entries(more.countries ?? {}).map(([country, networks]) => {
    const text = JSON.stringify(networks)
    chunks.set(chunkDigest(text), text)
    return { country, entries: networks.length, chunks: [chunkDigest(text)] }
  })
  return { posture: { default: more.default ?? 'accept', rules: [...rules], countries }, chunks }
}

export function postureStatement(
  version: number,
  body: Posture | null,
  more: { key?: SigningKey; aud?: string; confirm?: number } & Record<string, unknown> = {},
): string {
  const { key = serviceKey, aud = 'all', confirm = 60, ...rest } = more
  const claims = {
    iss: issuer,
    aud,
    iat: today / 1_000,
    exp: today / 1_000 + 86_400,
    version,
    confirm,
    posture: body,
    ...rest,
  }
  return sign(claims, tokenType.posture, key)
}

/** A table that keeps what it was given, and refuses when it is told to. */
export function memoryTable() {
  const runs: string[] = []
  /** What began a trial, or ended it well. */
  const gates: string[] = []
  let confirmed: string | undefined
  let allowed: AllowedSets = new Map()
  const state = { refusing: false, refusingAllowed: false, shut: false, intact: true, tried: 0 }
  const table: PostureTable = {
    enforcing: true,
    run: async (script) => {
      state.tried++
      if (state.refusing) throw new Problem('kernel_refused', 'this kernel was told to refuse')
      if (state.refusingAllowed && script.allowed?.length)
        throw new Problem('kernel_refused', 'this kernel takes no such key')
      const named = nameSets(script)
      allowed = allowedSets(script.allowed, script.now)
      runs.push(printPosture(script, named, allowed))
      confirmed = script.before && printConfirmed(script, named)
      state.intact = true
    },
    open: async (seconds) => {
      if (state.refusing || state.shut)
        throw new Problem('kernel_refused', 'this kernel was told to refuse')
      gates.push(printOpening(seconds))
    },
    confirm: async () => {
      if (state.refusing || confirmed === undefined)
        throw new Problem('kernel_refused', 'this kernel was told to refuse')
      gates.push(confirmed)
      confirmed = undefined
    },
    protect: async (here) => {
      if (state.refusing) throw new Problem('kernel_refused', 'this kernel was told to refuse')
      runs.push(printProtected(here))
      state.intact = true
    },
    allow: async (elements, now) => {
      if (state.refusing) throw new Problem('kernel_refused', 'this kernel was told to refuse')
      if (state.refusingAllowed && elements.length > 0) throw new Problem('kernel_refused', 'no')
      const next = allowedSets(elements, now)
      runs.push(printAllowed(allowed, next, now))
      allowed = next
    },
    intact: async () => state.intact,
    remove: async () => {
      if (state.refusing) throw new Problem('kernel_refused', 'this kernel was told to refuse')
      runs.push('removed')
    },
  }
  return { table, runs, gates, state }
}

export function postureNode({
  folder,
  table,
  audiences = ['all', 'group/web', 'node/web-01'],
  from = today,
}: {
  folder: string
  table: PostureTable | undefined
  audiences?: string[]
  from?: number
}) {
  const clock = { now: from }
  const time = holdTime(clock)
  const service = {
    answers: true,
    told: [] as PostureReceipt[],
    reach: async () => {},
    fetch: async () => {},
  }
  const chunks = new Map<string, string>()
  const here: Protected[] = []
  const scopes = { version: 0, elements: [] as ScopedElement[] }
  const followed = new Set(audiences)
  const state: {
    problem: Problem | undefined
    timeIsKnown: boolean
    servicePort: number | undefined
  } = {
    servicePort: undefined,
    problem: undefined,
    timeIsKnown: true,
  }
  const memory = new PostureMemory(folder)
  const postures = new Postures({
    memory,
    table,
    service: {
      text: async (path) => {
        await service.fetch()
        const found = chunks.get(path.split('/').at(-1) ?? '')
        if (found === undefined) throw new Problem('not_found', 'no such chunk')
        return found
      },
    },
    reach: async (receipt) => {
      await service.reach()
      if (!service.answers) throw new Problem('service_unreachable', 'nobody there')
      service.told.push(receipt)
    },
    trust: () => trusting(serviceKey),
    learnKeys: async () => {},
    audiences: () => followed,
    here: () => here,
    scopes: {
      get version() {
        return scopes.version
      },
      elements: () => scopes.elements,
    },
    servicePort: () => state.servicePort,
    mostNetworks: 1_000,
    now: () => clock.now,
    timeIsKnown: () => state.timeIsKnown,
    monotonic: () => clock.now,
    pause: time.pause,
    health: (problem) => {
      state.problem = problem
    },
    changed: () => {},
    brought: () => {},
  })
  return {
    ...{ postures, memory, clock, time, service, chunks, here, followed, state },
    told: () =>
      postures.receipts.map(({ audience, version, status, in_force }) => [
        audience,
        version - today,
        status,
        in_force === 0 ? 0 : in_force - today,
      ]),
    /** These are the scoped orders from now on. */
    order(...elements: ScopedElement[]) {
      scopes.version++
      scopes.elements = elements
      postures.allow()
    },
    /** Signed and taken, until nothing waits. */
    async give(
      version: number,
      made: { posture: Posture; chunks: Map<string, string> } | null,
      more: Parameters<typeof postureStatement>[2] = {},
    ) {
      for (const [digest, text] of made?.chunks ?? []) chunks.set(digest, text)
      await postures.take(postureStatement(today + version, made?.posture ?? null, more))
    },
  }
}
