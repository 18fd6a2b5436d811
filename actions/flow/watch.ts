/** Notices when a node or a source of facts falls silent and when it is back, and says so in the journal. */
import type { SourceState } from '../facts/source.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import { listNodes, type Node } from '../store/nodes.ts'
import type { Store } from '../store/store.ts'
import { nodeState } from './node-state.ts'

/** A source that is back within this time was hardly away, and who starts may take so long until all have spoken. */
const settleMs = 60_000
/** After a start all nodes look silent until their next heartbeat has come. */
const nodesSettleMs = 180_000

type Health = 'well' | 'silent'
type Known = { told: Health; since: number; now: Health }

export type Watch = {
  /** For a clock; `now` in epoch milliseconds. Rejects with what the store says, and the next look says it again. */
  look(now: number): Promise<void>
}

export function openWatch(store: Store, states: () => readonly SourceState[]): Watch {
  const sources = new Map<string, Known>()
  const nodes = new Map<string, Known>()
  return {
    look: async (now) => {
      const changed: (() => void)[] = []
      const lines: JournalEntry[] = []
      const see = (known: Map<string, Known>, name: string, health: Health, holdMs: number) => {
        const entry = known.get(name) ?? { told: 'well', since: now, now: 'well' }
        known.set(name, entry)
        if (entry.now !== health) Object.assign(entry, { now: health, since: now })
        const due = entry.now !== entry.told && now - entry.since >= holdMs
        if (due) changed.push(() => Object.assign(entry, { told: health }))
        return due
      }
      for (const state of states())
        if (see(sources, state.name, healthOf(state), settleMs)) lines.push(sourceLine(state, now))
      for (const node of await listNodes(store.read)) {
        const state = nodeState(node, now)
        if (state === 'revoked' || state === 'never_seen') nodes.delete(node.name)
        else if (see(nodes, node.name, state === 'silent' ? 'silent' : 'well', nodesSettleMs))
          lines.push(nodeLine(node, state === 'silent', now))
      }
      if (lines.length === 0) return
      await store.write((tx) => appendJournal(tx, lines))
      for (const tell of changed) tell()
    },
  }
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

function nodeLine({ name, lastSeen }: Node, silent: boolean, now: number): JournalEntry {
  return {
    at: now,
    actor: 'service',
    action: silent ? 'node.silent' : 'node.back',
    subject: name,
    after: { last_seen: lastSeen },
  }
}
