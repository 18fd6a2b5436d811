/** One-time signed links by which a person answers a question from a notice, without a token of an own. */
import { base32 } from '#contract/id.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { Policy } from '../decide/policy.ts'
import { type Decision, findDecision } from '../store/decisions.ts'
import { findLink, type Link, putLinks } from '../store/links.ts'
import type { Store } from '../store/store.ts'
import { readAnswer, signAnswer } from './answer-token.ts'
import type { SigningKeys } from './keys.ts'
import type { Orders } from './order.ts'
import { needsTwo } from './review-second.ts'
import { hashSecret, type Randomness } from './secret.ts'

/** Guessing one in 256 bits is hopeless, so the hash needs no salt. */
const secretBytes = 32

export type Answer = { label: string; url: string }
/** What a link stands for while it may still be used. */
export type Asked = { decision: Decision; verb: Link['verb'] }

export type Links = {
  /** Two links a question, only one where two people have to approve by name; none once it was answered. */
  answersFor(decision: string): Promise<Answer[]>
  /** Changes nothing: mail scanners follow links. Throws `not_found`, `token_expired` or `token_used`. */
  read(token: string): Promise<Asked>
  /** Does what the link says; then no link of this question does anything any more. Throws as `read` does. */
  use(token: string, reason: string): Promise<Asked>
}

export type LinkParts = {
  store: Store
  keys: SigningKeys
  orders: Orders
  policy(): Policy
  random: Randomness
  now(): number
  /** Where people reach this service. */
  reachable(): { url: string }
}

export function openLinks(parts: LinkParts): Links {
  const { store, orders } = parts
  return {
    answersFor: async (id) => {
      const decision = await findDecision(store.read, id)
      return decision?.state === 'waiting' ? makeLinks(parts, decision) : []
    },
    read: (token) => readLink(parts, token),
    use: async (token, reason) => {
      const { decision, verb } = await readLink(parts, token)
      const who = { actor: `link/${decision.id}`, reason }
      const act =
        verb === 'approve' ? orders.approve(decision.id, {}, who) : orders.decline(decision.id, who)
      return { decision: await act, verb }
    },
  }
}

async function makeLinks(parts: LinkParts, decision: Decision): Promise<Answer[]> {
  const policy = parts.policy()
  const expires = decision.created + policy.review.timeoutMs
  const wide = decision.target !== null && needsTwo(decision.target, policy)
  const verbs = wide ? (['decline'] as const) : (['approve', 'decline'] as const)
  const made = verbs.map((verb) => ({ verb, secret: base32(parts.random(secretBytes)) }))
  await parts.store.write((tx) =>
    putLinks(
      tx,
      made.map(({ verb, secret }) => ({
        secret: hashSecret(secret),
        decision: decision.id,
        verb,
        expires,
        closed: null,
      })),
    ),
  )
  const url = parts.reachable().url.replace(/\/+$/, '')
  return made.map(({ verb, secret }) => {
    const token = signAnswer(parts.keys, { decision: decision.id, verb, secret, expires })
    return { label: labels[verb], url: `${url}/v1/answer/${token}` }
  })
}

const labels = { approve: 'Approve', decline: 'Decline' }

async function readLink({ store, keys, now }: LinkParts, token: string): Promise<Asked> {
  const secret = readAnswer(keys, token)
  const link = secret === undefined ? undefined : await findLink(store.read, hashSecret(secret))
  const decision = link && (await findDecision(store.read, link.decision))
  if (!link || !decision)
    throw new Problem('not_found', 'this link is not known here', {
      remedy: 'copy the whole link out of the notice, or answer with cordon review list',
    })
  if (link.closed !== null || decision.state !== 'waiting') throw used(link, decision)
  if (link.expires > now()) return { decision, verb: link.verb }
  throw new Problem('token_expired', `this link ended at ${printTime(link.expires)}`, {
    remedy: `see "cordon decision show ${decision.id}" for what became of the question`,
  })
}

function used({ closed }: Link, { id, state, endReason, actor, target }: Decision): Problem {
  const by = actor === null ? '' : ` by ${actor}`
  const at = closed === null ? '' : ` at ${printTime(closed)}`
  const now = state === 'waiting' ? 'waits again' : `is ${endReason ?? state}${by}`
  return new Problem('token_used', `${target} was answered before${at}: the question ${now}`, {
    remedy: `"cordon review undo ${id}" takes back what was done last`,
  })
}
