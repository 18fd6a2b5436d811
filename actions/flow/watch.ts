/** Notices when a node, a source of facts or a part of a connector falls silent and when it is back, and says so in the journal. */
import { z } from 'zod'
import type { SourceState } from '../facts/source.ts'
import { putSourceCursor, readSourceCursor } from '../store/cursors.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import { listNodes, type Node } from '../store/nodes.ts'
import type { Reader, Store } from '../store/store.ts'
import { nodeState } from './node-state.ts'
import type { SourceHealth } from './pull.ts'

/** A source that is back within this time was hardly away, and who starts may take so long until all have spoken. */
const settleMs = 60_000
/** After a start all nodes look silent until their next heartbeat has come. */
const nodesSettleMs = 180_000
/** Others restart too: what comes from them and goes to them is taken up where it was left. */
const connectorsSettleMs = 180_000

type Health = 'well' | 'silent'
type Known = { now: Health; since: number }

export type Watch = {
  /** For a clock; `now` in epoch milliseconds. Rejects with what the store says, and the next look says it again. */
  look(now: number): Promise<void>
}

export function openWatch(
  store: Store,
  states: () => readonly SourceState[],
  followed: () => readonly SourceHealth[] = () => [],
): Watch {
  const known = new Map<string, Known>()
  /** Who is silent as people know it. */
  let told: ReadonlySet<string> | undefined
  return {
    look: async (now) => {
      told ??= await readTold(store.read)
      const before = told
      const lines: JournalEntry[] = []
      const see = (name: string, health: Health, holdMs: number) => {
        const last: Health = before.has(name) ? 'silent' : 'well'
        const entry = known.get(name) ?? { now: last, since: now }
        known.set(name, entry)
        if (entry.now !== health) Object.assign(entry, { now: health, since: now })
        return health !== last && now - entry.since >= holdMs
      }
      for (const state of states())
        if (see(`${state.kind}/${state.name}`, healthOf(state), settleMs))
          lines.push(sourceLine(state, now))
      for (const part of followed())
        if (see(`connector/${subjectOf(part)}`, partHealth(part), connectorsSettleMs))
          lines.push(partLine(part, now))
      for (const node of await listNodes(store.read)) {
        const state = nodeState(node, now)
        const name = `node/${node.name}`
        if (state === 'revoked' || state === 'never_seen') known.delete(name)
        else if (see(name, state === 'silent' ? 'silent' : 'well', nodesSettleMs))
          lines.push(nodeLine(node, state === 'silent', now))
      }
      if (lines.length === 0) return
      const silent = lines.filter(isSilence).map(nameOf)
      const spoken = new Set(lines.map(nameOf))
      const after = new Set([...[...before].filter((name) => !spoken.has(name)), ...silent])
      await store.write(async (tx) => {
        await appendJournal(tx, lines)
        await putSourceCursor(tx, cursor, JSON.stringify([...after]), now)
      })
      told = after
    },
  }
}

/** Who was said to be silent: a restart does not say it again, and says when they are back. */
const cursor = 'watch'
const Names = z.array(z.string())

async function readTold(db: Reader): Promise<Set<string>> {
  const text = await readSourceCursor(db, cursor)
  return new Set(text === undefined ? [] : Names.parse(JSON.parse(text)))
}

function nameOf({ action, subject }: JournalEntry): string {
  return `${action.slice(0, action.indexOf('.'))}/${subject}`
}

function isSilence({ action }: JournalEntry): boolean {
  return action.endsWith('.silent') || action.endsWith('.away')
}

function healthOf({ state }: SourceState): Health {
  return state === 'ready' ? 'well' : 'silent'
}

/** `list.silent`, `provider.ready`: the kind is the noun. */
function sourceLine({ name, kind, state, problem }: SourceState, now: number): JournalEntry {
  return {
    at: now,
    actor: 'service',
    action: `${kind}.${state}`,
    subject: name,
    after: { ...(problem && { detail: problem.detail, remedy: problem.remedy }) },
  }
}

function partHealth({ state }: SourceHealth): Health {
  return state === 'following' ? 'well' : 'silent'
}

/** As `cordon connector list` names it. */
function subjectOf({ connector, source }: SourceHealth): string {
  return `${connector}, ${source}`
}

/** `connector.silent`: nothing comes in from there; `connector.away`: what is for it waits. */
function partLine(part: SourceHealth, now: number): JournalEntry {
  const { state, problem: detail, remedy } = part
  const word = { following: 'ready', failing: 'silent', away: 'away' }[state]
  return {
    at: now,
    actor: 'service',
    action: `connector.${word}`,
    subject: subjectOf(part),
    after: { ...(detail !== undefined && { detail, remedy }) },
  }
}

function nodeLine({ name, lastSeen }: Node, silent: boolean, now: number): JournalEntry {
  return {
    at: now,
    actor: 'service',
    action: silent ? 'node.silent' : 'node.back',
    subject: name,
    after: { last_seen: lastSeen },
  }
}
