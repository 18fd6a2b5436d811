/** Whether a followed file is there: nobody is blind in silence because a path is wrong or a product has stopped. */
import { Problem } from '#contract/problem.ts'
import { look } from './find-rotated.ts'

/** Between the renaming of a file and the making of the next there is none for a moment. */
export const patienceMs = 10_000

export type Absence = {
  /** What is to be said since the last look: that it is not there, once; that it is there, once, also at first. */
  look(): Promise<Problem | 'there' | undefined>
}

/** `now` in milliseconds, of a clock that never goes back. */
export function watchAbsence(path: string, now: () => number): Absence {
  let since: number | undefined
  let told: 'there' | 'absent' | undefined
  return {
    look: async () => {
      if ((await look(path)) !== undefined) {
        const known = told === 'there'
        since = undefined
        told = 'there'
        return known ? undefined : 'there'
      }
      since ??= now()
      if (told === 'absent' || now() - since < patienceMs) return undefined
      told = 'absent'
      return absent(path)
    },
  }
}

function absent(path: string): Problem {
  return new Problem('not_found', `there is no file ${path}`, {
    remedy:
      'check the path in files, and that the product writes it; it is read from its start once it is there',
  })
}
