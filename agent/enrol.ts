/** First contact: a one-time token in, a node that knows its service and is known to it out. */
import { z } from 'zod'
import { EnrolmentAnswer, readEnrolmentToken } from '#contract/enrolment.ts'
import { thumbprint } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { type ConnectTo, connect, readAnswer, type Service } from './connect.ts'
import { makeIdentity } from './identity.ts'
import { type Membership, readMembership, writeMembership } from './membership.ts'
import { untrusted } from './untrusted.ts'

/** What else a newer service says is passed over. */
const Answer = z.object(EnrolmentAnswer.shape)

/**
 * Throws `invalid_input`, `token_expired`, `conflict` when the node belongs to a service already, and
 * `untrusted_service` when what answers is not what the token was made for.
 */
export async function enrol(
  tokenText: string,
  name: string,
  folder: string,
  now: number,
  reach: (to: ConnectTo) => Service = connect,
): Promise<Membership> {
  const token = readEnrolmentToken(tokenText)
  if (token.exp * 1_000 <= now)
    throw new Problem('token_expired', 'this enrolment token has ended', {
      remedy: 'make a new one with "cordon node enrol" (and check the clock of this machine)',
    })
  refuseSecond(folder)
  const identity = makeIdentity(folder)
  const addresses = new Set<string>()
  const heard = (address: string | undefined) => void (address && addresses.add(address))
  const service = reach({ url: token.url, tls: token.tls, heard })
  try {
    const body = { secret: token.secret, name, key: identity.public }
    const answer = readAnswer(Answer, await service.ask('POST', '/v1/enrol', { body }), '/v1/enrol')
    if (
      answer.issuer !== token.issuer ||
      !answer.keys.keys.some((key) => thumbprint(key) === token.key)
    )
      throw untrusted('the service that answered is not the one that the token was made for')
    const { node, groups, issuer, keys } = answer
    const tls = token.tls === undefined ? {} : { tls: token.tls }
    const membership = {
      node,
      groups,
      url: token.url,
      issuer,
      ...tls,
      keys: keys.keys,
      announced: 0,
      addresses: [...addresses],
    }
    writeMembership(folder, membership)
    return membership
  } finally {
    service.close()
  }
}

function refuseSecond(folder: string): void {
  const there = readMembership(folder)
  if (there)
    throw new Problem('conflict', `this node is enrolled as ${there.node} with ${there.url}`, {
      remedy: `to move it, stop the agent, remove ${folder}, and enrol again`,
    })
}
