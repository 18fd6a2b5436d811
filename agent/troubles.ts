/** What is wrong with this agent now, by part, said once when it begins and once when it is over. */
import type { Problem } from '#contract/problem.ts'

export type Part =
  | 'kernel'
  | 'trust'
  | 'state'
  | 'service'
  | 'disk'
  | 'membership'
  | 'guard'
  | 'feeds'
  | 'posture'
  | 'sensor'
  | 'hits'

/** The gravest first. */
const parts: readonly Part[] = [
  'kernel',
  'trust',
  'guard',
  'disk',
  'membership',
  'state',
  'feeds',
  'posture',
  'sensor',
  'hits',
  'service',
]

export class Troubles {
  readonly #now = new Map<Part, Problem>()
  readonly #say: (line: string) => void

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  get(part: Part): Problem | undefined {
    return this.#now.get(part)
  }

  /** Undefined: the part is well. */
  set(part: Part, problem: Problem | undefined): void {
    const before = this.#now.get(part)
    if (problem) this.#now.set(part, problem)
    else this.#now.delete(part)
    if (problem && before?.code !== problem.code) this.#say(`${part}: ${sentence(problem)}`)
    if (!problem && before) this.#say(`${part}: well again`)
  }

  /** For the heartbeat. */
  worst(): { problem?: string } {
    const part = parts.find((one) => this.#now.has(one))
    const problem = part && this.#now.get(part)
    return problem ? { problem: `${part}: ${sentence(problem)}`.slice(0, 500) } : {}
  }

  list(): { part: string; code: string; message: string; remedy?: string }[] {
    return [...this.#now].map(([part, { code, message, remedy }]) => ({
      part,
      code,
      message,
      ...(remedy === undefined ? {} : { remedy }),
    }))
  }
}

function sentence(problem: Problem): string {
  const cause = problem.cause instanceof Error ? ` (${problem.cause.message})` : ''
  return `${problem.message}${cause}`
}
