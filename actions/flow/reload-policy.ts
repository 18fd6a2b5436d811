/** The policy in force: exchanged for what its file says now, and never another than the journal says. */
import { appendJournal, newestLine } from '../store/journal.ts'
import type { Flow } from './flow.ts'

type Parts = Pick<Flow, 'policy' | 'store' | 'now'>

const subject = 'policy'

/**
 * Whether it is another than before. The line, with both texts, is stored before the policy is exchanged. Throws
 * `policy_invalid` or what the store says, and the policy in force stays.
 */
export async function reloadPolicy(parts: Parts, actor: string): Promise<boolean> {
  const { policy } = parts
  const before = policy.text()
  const next = policy.read()
  if (before === next.text) return false
  await journalChange(parts, actor, before, next.text)
  next.use()
  return true
}

/** At the start: the file may have changed while the service was down. */
export async function journalPolicy(parts: Parts): Promise<void> {
  const line = await newestLine(parts.store.read, subject)
  const before: unknown = line?.after ? JSON.parse(line.after) : undefined
  const after = parts.policy.text()
  if (before !== after) await journalChange(parts, 'service', before, after)
}

async function journalChange(
  { store, now }: Parts,
  actor: string,
  before: unknown,
  after: string,
): Promise<void> {
  const line = { actor, action: 'policy.change', subject, before, after }
  await store.write((tx) => appendJournal(tx, [{ at: now(), ...line }]))
}
