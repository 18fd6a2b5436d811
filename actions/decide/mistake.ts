/** What is wrong with a condition, and where. */

/** `at` counts characters of the condition from 0. */
export type Mistake = { at: number; message: string; remedy: string }

/** Thrown while a condition is read. */
export class Refusal extends Error {
  readonly mistake: Mistake
  constructor(node: { start: number }, message: string, remedy: string) {
    super(message)
    this.mistake = { at: node.start, message, remedy }
  }
}
