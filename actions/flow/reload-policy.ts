/** Exchanges the policy in force for what its file says now; journalled, with both texts, when they differ. */
import { appendJournal } from '../store/journal.ts'
import type { Flow } from './flow.ts'

/** Whether it is another than before. Throws `policy_invalid`, and the policy in force stays. */
export async function reloadPolicy(
  { policy, store, now }: Pick<Flow, 'policy' | 'store' | 'now'>,
  actor: string,
): Promise<boolean> {
  const before = policy.text()
  policy.reload()
  const after = policy.text()
  if (before === after) return false
  const what = { actor, action: 'policy.change', subject: 'policy' }
  await store.write((tx) => appendJournal(tx, [{ at: now(), ...what, before, after }]))
  return true
}
