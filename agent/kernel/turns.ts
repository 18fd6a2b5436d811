/** Tasks one after the other, in the order in which they were asked for. */

export type Turns = <Result>(task: () => Promise<Result>) => Promise<Result>

/** Whatever one task comes to, the next has its turn. */
export function oneAtATime(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const result = last.then(task, task)
    last = result
    return result
  }
}
