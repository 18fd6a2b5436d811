/** `cordon ignored`, `sheltered` and `policy proposals`: what people said beyond one question. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer } from './answer.ts'
import { Message } from './answers.ts'
import { openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { printAgo, printColumns } from './paint.ts'
import { ProposalAnswer, tellProposal } from './review.ts'

const Ignoring = z.looseObject({
  ignoring: z.array(
    z.looseObject({
      id: z.string(),
      target: z.string().nullable(),
      signature: z.string().nullable(),
      until: z.string(),
      actor: z.string(),
      reason: z.string(),
    }),
  ),
})
const Sheltered = z.looseObject({
  sheltered: z.array(
    z.looseObject({
      address: z.string(),
      why: z.string(),
      actor: z.string(),
      created: z.string(),
    }),
  ),
})

export const listIgnored: Handler = async (asked, io) => {
  const { ignoring } = await openClient(io.environment).get('/v1/ignored', Ignoring)
  const rows = ignoring.map(({ id, target, signature, until, actor, reason }) => [
    id,
    target ?? 'anybody',
    signature ?? 'anything',
    printAgo(until, io.now()),
    actor,
    reason,
  ])
  const headings = ['ID', 'ATTACKER', 'SIGNATURE', 'ENDS', 'BY', 'WHY']
  answer(asked, io, ignoring, () =>
    rows.length === 0 ? 'nothing is ignored\n' : printColumns(io, headings, rows),
  )
  return 0
}

export const listSheltered: Handler = async (asked, io) => {
  const { sheltered } = await openClient(io.environment).get('/v1/sheltered', Sheltered)
  const rows = sheltered.map(({ address, actor, created, why }) => [
    address,
    printAgo(created, io.now()),
    actor,
    why,
  ])
  answer(asked, io, sheltered, () =>
    rows.length === 0
      ? 'nothing is protected but by the policy\n'
      : printColumns(io, ['ADDRESS', 'SINCE', 'BY', 'WHY'], rows),
  )
  return 0
}

export const showProposals: Handler = async (asked, io) => {
  const [id] = asked.words('id')
  const client = openClient(io.environment)
  if (id === undefined) {
    const Many = z.looseObject({ proposals: z.array(ProposalAnswer) })
    const { proposals } = await client.get('/v1/policy/proposals', Many)
    answer(asked, io, proposals, () => printProposals(proposals, io))
    return 0
  }
  const One = z.looseObject({ proposal: ProposalAnswer })
  const { proposal } = await client.get(`/v1/policy/proposals/${encodeURIComponent(id)}`, One)
  answer(asked, io, proposal, () => proposal.diff)
  if (proposal.state === 'open') tellProposal(proposal, io)
  else io.err(`note: it is ${proposal.state}: ${stateText(proposal.state)}\n`)
  return proposal.state === 'stale' ? 3 : 0
}

export const endIgnored: Handler = (asked, io) =>
  end(asked, io, `/v1/ignored/${encodeURIComponent(asked.argument('id'))}/end`, {})
export const endSheltered: Handler = (asked, io) =>
  end(asked, io, '/v1/sheltered/end', { address: asked.argument('address') })
export const withdrawProposal: Handler = (asked, io) =>
  end(asked, io, `/v1/policy/proposals/${encodeURIComponent(asked.argument('id'))}/withdraw`, {})

async function end(asked: Asked, io: Io, path: string, more: object): Promise<number> {
  const body = { ...more, reason: asked.required('reason') }
  const done = await openClient(io.environment).post(path, body, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

function printProposals(proposals: readonly ProposalAnswer[], io: Io): string {
  if (proposals.length === 0) return 'nothing is proposed\n'
  const rows = proposals.map(({ id, created, state, actor, summary }) => [
    id,
    printAgo(created, io.now()),
    state,
    actor,
    summary,
  ])
  return printColumns(io, ['ID', 'PROPOSED', 'STATE', 'BY', 'CHANGE'], rows)
}

function stateText(state: string): string {
  return state === 'applied'
    ? 'the policy in force says so already'
    : 'it fits the policy in force no more'
}
