/** `cordon node …`: nodes as the service knows them. */
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { answer } from './answer.ts'
import { Message, NodeAnswer } from './answers.ts'
import { openClient } from './client.ts'
import type { Handler } from './command.ts'
import { printAgo, printColumns, printWhen } from './paint.ts'

const Nodes = z.looseObject({ nodes: z.array(NodeAnswer) })
const Invitation = z.looseObject({ token: z.string(), expires: z.string(), url: z.string() })

export const listNodes: Handler = async (asked, io) => {
  const { nodes } = await openClient(io.environment).get('/v1/nodes', Nodes)
  const rows = nodes.map(({ name, state, connected, groups, last_seen, heartbeat }) => [
    name,
    state === 'active' && !connected ? 'active, not connected' : state.replace('_', ' '),
    heartbeat === null
      ? '-'
      : heartbeat.enforcing
        ? heartbeat.backend
        : `no (${heartbeat.backend})`,
    heartbeat === null ? '-' : String(heartbeat.claims),
    groups.join(' ') || '-',
    printAgo(last_seen, io.now()),
    heartbeat?.problem ?? '',
  ])
  const headings = ['NODE', 'STATE', 'ENFORCES', 'BLOCKS', 'GROUPS', 'SEEN', 'PROBLEM']
  answer(asked, io, nodes, () =>
    rows.length === 0
      ? 'no nodes; "cordon node enrol" adds one\n'
      : printColumns(io, headings, rows),
  )
  return 0
}

/** The result is the one line to paste, so that it can be piped over ssh. */
export const enrolNode: Handler = async (asked, io) => {
  const body = { groups: asked.options('group'), for: asked.option('for') }
  const invited = await openClient(io.environment).post('/v1/nodes/tokens', body, Invitation)
  const { token, expires, url } = invited
  const command = `cordon agent enrol ${token}`
  if (!asked.json) {
    io.err(
      'paste this on the new node, as root and in its folder of Cordon, if need be with "npx "\n',
    )
    io.err('before it; then start its agent: cordon agent run\n')
    io.err(`the token is for one node and ends ${printWhen(expires, io.now())}\n`)
  }
  if (isLoopback(new URL(url).hostname))
    io.err(
      `note: the service listens at ${url} only, where no other machine reaches it; set CORDON_LISTEN\n`,
    )
  answer(asked, io, { command, token, expires, url }, () => `${command}\n`)
  return 0
}

export const groupNode: Handler = async (asked, io) => {
  const groups = asked.words('group')
  if (groups.length === 0 && !asked.flag('none'))
    throw new Problem('usage', 'node groups: no group is named', {
      remedy: 'name all groups that the node shall be in, or --none',
    })
  const path = `/v1/nodes/${encodeURIComponent(asked.argument('node'))}/groups`
  const done = await openClient(io.environment).post(path, { groups }, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

export const revokeNode: Handler = async (asked, io) => {
  const path = `/v1/nodes/${encodeURIComponent(asked.argument('node'))}/revoke`
  const done = await openClient(io.environment).post(path, {}, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}
