/** Whom an envelope is for, and where a node stands in each of the sequences that it follows. */
import { z } from 'zod'
import { Problem } from './problem.ts'

const name = '[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?'

/** Names of nodes and groups: lower case letters, digits, dots, dashes, underscores. */
export const NodeName = z
  .string()
  .regex(
    new RegExp(`^${name}$`),
    'use 1 to 64 of a-z 0-9 . _ - and begin and end with a letter or digit',
  )
  .meta({ example: 'web-01' })

/** `all`, `group/<name>` or `node/<name>`. */
export const Audience = z
  .string()
  .regex(new RegExp(`^(all|group/${name}|node/${name})$`), 'use all, group/<name> or node/<name>')
  .meta({ id: 'Audience', example: 'all' })

/** The audiences that a node follows. */
export function audiencesOf(node: string, groups: readonly string[]): string[] {
  return ['all', ...[...groups].sort().map((group) => `group/${group}`), `node/${node}`]
}

/** The last envelope of one audience: its hash is what the next one's `prev` must be. */
export type Position = { epoch: number; seq: number; hash: string }

/** Places by audience. On the wire `audience:epoch:seq:hash`, joined by commas: the SSE event id. */
export type Cursor = ReadonlyMap<string, Position>

export function printCursor(cursor: Cursor): string {
  return [...cursor].map(([aud, at]) => `${aud}:${at.epoch}:${at.seq}:${at.hash}`).join(',')
}

/** Throws `invalid_input`. Empty text is the empty cursor: a node that has seen nothing yet. */
export function readCursor(text: string): Map<string, Position> {
  const cursor = new Map<string, Position>()
  if (text === '') return cursor
  for (const entry of text.split(',')) {
    const [audience, epoch, seq, hash] = entry.split(':')
    if (
      !Audience.safeParse(audience).success ||
      !/^\d+$/.test(epoch ?? '') ||
      !/^\d+$/.test(seq ?? '')
    )
      throw new Problem('invalid_input', `"${entry.slice(0, 80)}" is no place in a stream`, {
        remedy:
          'send audience:epoch:seq:hash entries joined by commas, as the event ids of the stream show them',
      })
    cursor.set(audience ?? '', { epoch: Number(epoch), seq: Number(seq), hash: hash ?? '' })
  }
  return cursor
}
