/** A statement under a key that is not trusted yet: the service is asked for its announcements, and it is verified again. */
import { toProblem } from '#contract/problem.ts'

/** Throws what `verify` and `learnKeys` throw. */
export async function verifyOrLearn<Claims>(
  verify: () => Claims,
  learnKeys: () => Promise<void>,
): Promise<Claims> {
  try {
    return verify()
  } catch (error) {
    if (toProblem(error).code !== 'envelope_key_unknown') throw error
  }
  await learnKeys()
  return verify()
}
