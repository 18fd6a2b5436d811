/** The tables as Kysely sees them. Times are epoch milliseconds; JSON columns are text, read in one place each. */

import type { Generated } from 'kysely'
import type { ReceiptStatus } from '#contract/receipt.ts'
import type { Outcome } from '../decide/verdict.ts'
import type { DecisionState, EndReason, Origin } from './decisions.ts'

export type Tables = {
  alerts: {
    id: string
    source: string
    observed: number
    received: number
    attacker: string | null
    /** Alerts are counted under this: the attacker widened as the policy's default said then. */
    offender: string | null
    rule: string
    severity: number
    user: string | null
    port: number | null
    /** Address or host name. */
    victim: string | null
    count: number
    decision: string
    /** The whole Alert. */
    body: string
    /** What was known from outside when it was judged, as far as anything was. */
    facts: string | null
    /** What the source goes on saying by it until it takes it back. */
    statement: string | null
    /** When it was taken back. */
    withdrawn: number | null
  }
  decisions: {
    id: string
    state: DecisionState
    outcome: Outcome
    origin: Origin
    rule: string | null
    target: string | null
    /** Offences are counted under this: the attacker widened as the policy's default says. */
    offender: string | null
    direction: string | null
    audience: string
    length_ms: number | null
    created: number
    issued: number | null
    not_after: number | null
    ended: number | null
    end_reason: EndReason | null
    /** Who, for what a person did: token name. */
    actor: string | null
    note: string | null
    /** reasons and would, as the verdict gave them. */
    verdict: string
    alerts: number
    action: 'block' | 'allow' | 'limit'
    /** Narrowing, as far as anything narrows it. */
    scope: string | null
    response: 'reject' | null
    /** The Rate of a limit. */
    rate: string | null
    /** The Rollout of a block that goes, or went, to a few nodes first. */
    rollout: string | null
    /** When it is to be seen whether the rest follows; null when nothing is to be seen. */
    rollout_due: number | null
  }
  /** Wished state of each audience: what a snapshot of it holds. */
  claims: {
    /** In the order in which they were first issued. */
    number: Generated<number>
    audience: string
    decision: string
    target: string
    not_after: number
    /** The StandingAction as a chunk of a snapshot holds it. */
    row: string
  }
  heads: { audience: string; epoch: number; seq: number; hash: string }
  envelopes: {
    audience: string
    epoch: number
    seq: number
    hash: string
    jws: string
    created: number
  }
  receipts: {
    decision: string
    node: string
    status: ReceiptStatus
    at: number
    code: string | null
    detail: string | null
    audience: string
    epoch: number
    seq: number
  }
  receipt_words: {
    number: Generated<number>
    decision: string
    node: string
    status: ReceiptStatus
    /** When the node says it was, and when it was heard. */
    at: number
    heard: number
    code: string | null
    detail: string | null
    audience: string
    epoch: number
    seq: number
  }
  /** What each node last said of how much a decision stopped there. */
  hits: { decision: string; node: string; packets: number; last: number }
  nodes: {
    name: string
    groups: string
    /** JWK. */
    key: string
    enrolled: number
    revoked: number | null
    last_seen: number | null
    heartbeat: string | null
  }
  enrolments: {
    /** SHA-256 of the secret, hex. */
    secret: string
    groups: string
    created: number
    expires: number
    used: number | null
    node: string | null
  }
  tokens: {
    id: string
    secret: string
    name: string
    scopes: string
    created: number
    expires: number | null
    revoked: number | null
  }
  journal: {
    seq: number
    at: number
    actor: string
    action: string
    subject: string
    before: string | null
    after: string | null
    prev: string
    hash: string
  }
  /** Alerts, and provisional blocks, that wait for what providers will say. */
  pending: {
    alert: string
    received: number
    decision: string
    /** Whom to ask. */
    providers: string
    /** Of the alert, until it is judged. */
    statement: string | null
    /** The whole Alert, which is not among the alerts yet; null when its decision is a provisional block. */
    body: string | null
    /** Of a provisional block: its rule, and what it grows to. */
    rule: string | null
    length_ms: number | null
  }
  /** What people said to ignore for a time: an attacker, a signature, or one from the other. */
  ignored: {
    id: string
    target: string | null
    signature: string | null
    until: number
    actor: string
    reason: string
    created: number
  }
  /** Networks that people said never to block. */
  sheltered: { address: string; why: string; actor: string; created: number }
  /** The word of the first of two people. */
  approvals: {
    decision: string
    verb: 'approve' | 'extend'
    actor: string
    reason: string
    length_ms: number
    audience: string
    created: number
  }
  /** One-time links to answer a decision that waits. */
  links: {
    /** SHA-256 of the secret, hex. */
    secret: string
    decision: string
    verb: 'approve' | 'decline'
    expires: number
    /** When the decision was answered, by this link or otherwise. */
    closed: number | null
  }
  /** Changes of the policy that people proposed. */
  proposals: {
    id: string
    decision: string | null
    kind: 'rule' | 'signature' | 'protect'
    /** What it changes, in a sentence. */
    summary: string
    /** A unified diff of the policy. */
    diff: string
    actor: string
    reason: string
    created: number
  }
  /** Answers of providers of intelligence, kept for as long as each says. */
  intelligence: { provider: string; address: string; asked: number; answer: string }
  /** Notices that a channel was given up for. */
  notice_dead_letters: {
    id: string
    channel: string
    created: number
    tries: number
    problem: string
    /** Notice[], without the links by which a person answers. */
    notices: string
  }
  cursors: { source: string; cursor: string; updated: number }
  facts: { name: string; value: string }
}
