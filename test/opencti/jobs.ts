/** Jobs as the platform sends them, and a Cordon that knows what it is told to know. */
import type { Cordon } from '#contract/connector.ts'
import type { Knowledge, KnownAlert, KnownDecision } from '#contract/knowledge.ts'
import { Problem } from '#contract/problem.ts'
import type { Result } from '#contract/result.ts'
import { addressId } from '../../connectors/opencti/stix/id.ts'

export const now = Date.parse('2026-03-10T00:00:00.000Z')
export const connectorId = '0b1c2d3e-4f50-4617-8829-3a4b5c6d7e8f'
export const green = 'marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da'
export const red = 'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed'
export const workId = `work_${connectorId}_2026-03-10T00:00:00.000Z`

export type Told = Partial<Omit<Knowledge, 'address'>>

/** `known` may be changed between jobs. */
export function cordonThatKnows(known: Map<string, Told>): Cordon & { kept: Map<string, string> } {
  const kept = new Map<string, string>()
  return {
    kept,
    now: () => now,
    knowledge: async (address) => {
      if (address === 'nonsense') throw new Problem('address_invalid', 'no address')
      return {
        address,
        decisions: [],
        alerts: [],
        place: { country: '', asn: 0, as_owner: '' },
        lists: [],
        ...known.get(address),
      }
    },
    recall: async (name) => kept.get(name),
    remember: async (name, text) => {
      kept.set(name, text)
    },
    answer: async () => {
      throw new Problem('unsupported', 'nobody answers here')
    },
    onPush: () => () => {},
  }
}

/** What a sink is given when a node has confirmed the block of a decision. */
export function confirmed(decision: string, target: string, node = 'web-01'): Result {
  return {
    id: `${node}-${decision}`.padEnd(43, 'x'),
    at: now,
    action: 'receipt.applied',
    decision: {
      id: `d-${decision.padStart(16, '0')}`,
      state: 'applied',
      outcome: 'block',
      does: 'block',
      target,
      reasons: [],
    },
    alerts: [],
    document: {},
  }
}

export function alertsAt(...minutes: number[]): KnownAlert[] {
  return minutes.map((minute) => ({
    at: now - minute * 60_000,
    source: 'wazuh',
    rule: 'ssh-bruteforce',
    count: 3,
  }))
}

export function block(more: Partial<KnownDecision> = {}): KnownDecision {
  return {
    id: 'd-4x7k2m9qz1hb0wfa',
    state: 'applied',
    outcome: 'block',
    target: '203.0.113.7',
    rule: 'severe',
    direction: 'in',
    created: now - 300_000,
    notAfter: now + 3_600_000,
    ended: undefined,
    nodes: 3,
    ...more,
  }
}

export function entity(value: string, more: { markings?: string[]; creators?: string[] } = {}) {
  return {
    id: addressId(value),
    spec_version: '2.1',
    type: value.includes(':') ? 'ipv6-addr' : 'ipv4-addr',
    value,
    extensions: {
      'extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba': {
        extension_type: 'property-extension',
        id: '9f1c1d2e-1111-4222-8333-444455556666',
        creator_ids: more.creators ?? ['88ec0c6a-13ce-5e39-b486-354fe4a7084f'],
        granted_refs: ['identity--fe142a59-b612-562e-91d9-cd8e3bae8e50'],
      },
    },
    object_marking_refs: more.markings ?? [green],
  }
}

export function job(
  of: { id: string; value?: string },
  internal: Record<string, unknown> = {},
): string {
  return JSON.stringify({
    internal: {
      work_id: workId,
      applicant_id: null,
      draft_id: null,
      mode: 'auto',
      trigger: 'create',
      ...internal,
    },
    event: {
      event_type: 'INTERNAL_ENRICHMENT',
      entity_id: of.id,
      entity_type: 'IPv4-Addr',
      stix_entity: JSON.stringify(of),
      stix_objects: null,
    },
  })
}

export const step = {
  event_id: '1772359200000-0',
  execution_id: 'c0ffee00-0000-4000-8000-000000000001',
  playbook_id: 'c0ffee00-0000-4000-8000-000000000002',
  data_instance_id: 'ipv4-addr--a2fbe2c6-009e-52e0-b452-90b71e3109c2',
  step_id: 'c0ffee00-0000-4000-8000-000000000003',
  previous_step_id: 'c0ffee00-0000-4000-8000-000000000004',
}

export function playbookJob(...objects: { id: string; type: string; value: string }[]): string {
  return JSON.stringify({
    internal: {
      work_id: null,
      playbook: step,
      applicant_id: 'u-1',
      trigger: 'create',
      mode: 'auto',
    },
    event: {
      entity_id: objects[0]?.id,
      bundle: { type: 'bundle', id: 'bundle--1', spec_version: '2.1', objects },
    },
  })
}
