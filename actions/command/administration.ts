/** `cordon token`, `journal`, `key` and `epoch`: what administrators look at and change. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer, queryOf } from './answer.ts'
import { Message, TokenAnswer } from './answers.ts'
import { openClient } from './client.ts'
import type { Handler } from './command.ts'
import { printAgo, printColumns, printWhen } from './paint.ts'

const Lines = z.looseObject({
  lines: z.array(
    z.looseObject({
      seq: z.int(),
      at: z.string(),
      actor: z.string(),
      action: z.string(),
      subject: z.string(),
    }),
  ),
})
const Verified = z.looseObject({
  whole: z.boolean(),
  lines: z.int(),
  head: z.string(),
  from: z.int().optional(),
  broken: z.int().optional(),
})
export const listTokens: Handler = async (asked, io) => {
  const Tokens = z.looseObject({ tokens: z.array(TokenAnswer) })
  const { tokens } = await openClient(io.environment).get('/v1/tokens', Tokens)
  const rows = tokens.map(({ id, name, scopes, expires, revoked }) => [
    id,
    name,
    scopes.join(' '),
    revoked === null ? (expires === null ? 'never' : printAgo(expires, io.now())) : 'revoked',
  ])
  answer(asked, io, tokens, () => printColumns(io, ['ID', 'NAME', 'SCOPES', 'ENDS'], rows))
  return 0
}

/** The secret alone goes to standard output, so that it can be piped into a file. */
export const createToken: Handler = async (asked, io) => {
  const Created = z.looseObject({ secret: z.string(), token: TokenAnswer })
  const body = {
    name: asked.argument('name'),
    scopes: asked.options('scope'),
    for: asked.option('for'),
  }
  const { secret, token } = await openClient(io.environment).post('/v1/tokens', body, Created)
  if (!asked.json)
    io.err(
      `${token.id} ${printable(token.name)} may ${token.scopes.join(', ')}; shown this once:\n`,
    )
  answer(asked, io, { secret, token }, () => `${secret}\n`)
  return 0
}

export const revokeToken: Handler = async (asked, io) => {
  const path = `/v1/tokens/${encodeURIComponent(asked.argument('id'))}/revoke`
  const done = await openClient(io.environment).post(path, {}, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

export const listJournal: Handler = async (asked, io) => {
  const query = queryOf({
    after: asked.option('after'),
    subject: asked.option('subject'),
    limit: asked.option('limit'),
  })
  const { lines } = await openClient(io.environment).get(`/v1/journal${query}`, Lines)
  const rows = lines.map(({ seq, at, actor, action, subject }) => [
    String(seq),
    printWhen(at, io.now()),
    actor,
    action,
    subject,
  ])
  answer(asked, io, lines, () => printColumns(io, ['LINE', 'WHEN', 'WHO', 'WHAT', 'OF'], rows))
  return 0
}

export const verifyJournal: Handler = async (asked, io) => {
  const found = await openClient(io.environment).get('/v1/journal/verify', Verified)
  const { whole, lines, head, from, broken } = found
  const since = from === undefined ? '' : ` from line ${from} on, before which retention let go`
  answer(asked, io, found, () =>
    whole
      ? `the journal is whole: ${lines} lines${since}, head ${head}\n`
      : `the journal is broken: line ${broken} does not follow from the ${lines} before it\n`,
  )
  return whole ? 0 : 3
}

export const showKeys: Handler = async (asked, io) => {
  const Keys = z.looseObject({ keys: z.array(z.looseObject({ kid: z.string() })) })
  const { keys } = await openClient(io.environment).get('/.well-known/jwks.json', Keys)
  const rows = keys.map(({ kid }, at) => [kid, at === keys.length - 1 ? 'signs' : 'signed before'])
  answer(asked, io, keys, () => printColumns(io, ['KEY', 'USE'], rows))
  return 0
}

export const rotateKey: Handler = async (asked, io) => {
  const Rotated = z.looseObject({ kid: z.string() })
  const retire = asked.flag('retire')
  const path = `/v1/keys/rotate?retire=${retire}`
  const { kid } = await openClient(io.environment).post(path, {}, Rotated)
  const rest = retire ? 'nodes drop the old keys as they learn it' : 'nodes learn it by themselves'
  answer(asked, io, { kid }, () => `${kid} signs from now on; ${rest}\n`)
  return 0
}

export const beginEpoch: Handler = async (asked, io) => {
  const Epoch = z.looseObject({ epoch: z.int() })
  const { epoch } = await openClient(io.environment).post('/v1/epoch', {}, Epoch)
  answer(asked, io, { epoch }, () => `epoch ${epoch} begins: every node asks for the whole state\n`)
  return 0
}
