/** Jobs one after the other, in the order in which they were asked for. */

/** That one fails is told to who asked for it, and holds up none after it. */
export function openTurns(): <Result>(job: () => Promise<Result>) => Promise<Result> {
  let working: Promise<unknown> = Promise.resolve()
  return (job) => {
    const done = working.then(job)
    working = done.catch(() => {})
    return done
  }
}
