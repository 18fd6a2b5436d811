/** One service a data directory: two would both number envelopes, and the nodes would see a fork. */
import { DatabaseSync } from 'node:sqlite'
import { explained } from './sqlite.ts'

/** How long a restart waits for the service before it to be gone. */
const patienceMs = 2_000

/**
 * Held until it is released or the process is gone, however it ends: the kernel keeps the lock on this small file of its
 * own, which leaves the database free for readers. Throws `store_unavailable` while another service holds it.
 */
export function holdLock(path: string): () => void {
  const database = explained(() => new DatabaseSync(path, { timeout: patienceMs }))
  try {
    explained(() => database.exec('pragma locking_mode = exclusive; begin exclusive'))
  } catch (error) {
    database.close()
    throw error
  }
  return () => database.close()
}
