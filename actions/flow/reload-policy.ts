/** Reads the policy file again and journals what changed; a wrong file is refused and nothing changes. */
import { appendJournal } from '../store/journal.ts'
import type { Flow } from './flow.ts'

/** Whether the text is another than before. Throws `policy_invalid`, `setting_invalid`. */
export async function reloadPolicy(
  { policy, store, now }: Pick<Flow, 'policy' | 'store' | 'now'>,
  actor: string,
): Promise<boolean> {
  const before = policy.text()
  policy.reload()
  const after = policy.text()
  const line = { at: now(), actor, action: 'policy.change', subject: 'policy', before, after }
  await store.write((tx) => appendJournal(tx, [line]))
  return before !== after
}
