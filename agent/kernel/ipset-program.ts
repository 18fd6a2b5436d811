/** The ipset program: makes, fills, swaps and lists the kernel's sets. */
import { Problem } from '#contract/problem.ts'
import { type Ended, runProgram } from './program.ts'
import { noPrivilegeRemedy } from './refusal.ts'

type SetHeader = { readonly type: string; readonly family: 4 | 6; readonly entries: number }

export type Ipset = {
  /**
   * Lines of a script, one after the other. It is no transaction: what stands before a line that fails is done. Making
   * what is there, adding it again and deleting what is not there are no errors. Throws `firewall_missing`,
   * `no_privilege`, `kernel_refused`.
   */
  run(lines: readonly string[]): Promise<void>
  /** Every set of this kernel by its name, without what is in them. */
  headers(): Promise<ReadonlyMap<string, SetHeader>>
  /** The lines that would fill the set, undefined when there is none. */
  save(name: string): Promise<string | undefined>
}

/** Lines that are put together as one text for the pipe. */
const pieceSize = 5_000

/** How ipset is started with these words and this input, wherever it is. */
type Start = (words: readonly string[], input: Iterable<string>) => Promise<Ended>

export function ipsetProgram(program = 'ipset'): Ipset {
  return ipsetBy((words, input) => runProgram(program, words, input))
}

/** Throws problems of `run` as they are; whatever else it throws means that there is no ipset. */
export function ipsetBy(run: Start): Ipset {
  const start = async (words: readonly string[], lines: readonly string[] = []) => {
    try {
      return await run(words, pieces(lines))
    } catch (error) {
      throw error instanceof Problem ? error : missing(error)
    }
  }
  return {
    async run(lines) {
      if (lines.length === 0) return
      const ended = await start(['-exist', 'restore'], lines)
      if (ended.code !== 0) throw failed(ended)
    },
    async headers() {
      const ended = await start(['list', '-terse'])
      if (ended.code !== 0) throw failed(ended)
      return readHeaders(ended.output)
    },
    async save(name) {
      const ended = await start(['save', name])
      if (ended.code === 0) return ended.output
      if (/does not exist/.test(ended.errors)) return undefined
      throw failed(ended)
    },
  }
}

/** `Name:`, `Type:`, `Header: family inet …`, `Number of entries:` of each set. */
function readHeaders(listing: string): Map<string, SetHeader> {
  const found = new Map<string, SetHeader>()
  for (const block of listing.split(/\n\n+/)) {
    const read = (label: string) => new RegExp(`^${label}: (.*)$`, 'm').exec(block)?.[1]
    const name = read('Name')
    if (name === undefined) continue
    found.set(name, {
      type: read('Type') ?? '',
      family: /family inet6/.test(read('Header') ?? '') ? 6 : 4,
      entries: Number(read('Number of entries') ?? 0),
    })
  }
  return found
}

function* pieces(lines: readonly string[]): Generator<string> {
  for (let from = 0; from < lines.length; from += pieceSize)
    yield `${lines.slice(from, from + pieceSize).join('\n')}\n`
}

function missing(error: unknown): Problem {
  return new Problem('firewall_missing', 'the ipset program cannot be started', {
    remedy: 'install the package ipset (apt install ipset, dnf install ipset), or nftables',
    cause: error,
  })
}

function failed({ errors }: Ended): Problem {
  const cause = new Error(errors.slice(0, 2_000))
  if (/Operation not permitted|Permission denied/.test(errors))
    return new Problem('no_privilege', 'ipset may not change the firewall', {
      remedy: noPrivilegeRemedy,
      cause,
    })
  const first = errors.split('\n', 1)[0]?.slice(0, 300) ?? ''
  return new Problem('kernel_refused', `ipset was refused: ${first}`, {
    remedy: remedyOf(errors),
    cause,
  })
}

function remedyOf(errors: string): string {
  if (/is full/.test(errors)) return 'lift blocks, or block networks instead of single hosts'
  if (/in use by a kernel component/.test(errors))
    return 'a rule that is not of Cordon uses a set of Cordon: remove that rule'
  return 'the agent makes its sets anew by itself; look for what else changes the sets of this node'
}
