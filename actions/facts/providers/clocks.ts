/** Time and chance as the providers' supervisor is given them. */
export type Clocks = {
  /** Epoch milliseconds: for what is stored, and for days. */
  now(): number
  /** Milliseconds from anywhere, never back: for pauses. */
  monotonic(): number
  /** From 0 to below 1. */
  random(): number
}
