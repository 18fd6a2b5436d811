/** What another product orders by a rule of its own, as Wazuh's active response does: a block, or the end of one. */

export type ActiveResponse = {
  order: 'block' | 'lift'
  /** Canonical hosts, at least one. */
  targets: readonly string[]
  /** Which rule, and what it saw: one line without hidden characters. */
  because: string
  /** How long the product means to block, where its order says so. */
  lengthMs?: number
}
