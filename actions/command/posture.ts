/** `cordon posture check|show|list`: what rules mean, and how nodes stand to them. */
import { readFileSync } from 'node:fs'
import { type Address, maybeAddress, readAddress } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { openCountries } from '../posture/country-networks.ts'
import { alwaysPasses } from '../posture/describe.ts'
import { type Proposed, proposePostures } from '../posture/propose.ts'
import { readSections } from '../sections.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { paint, printAgo, printColumns } from './paint.ts'
import { fetchPostures, readAudience, type StandingPosture } from './posture-answers.ts'
import { printProblem } from './run.ts'

export const checkPosture: Handler = async (asked, io) => {
  const proposed = await proposeHere(asked, io)
  if (!proposed) return 3
  const told = proposed.proposals.map(({ audience, sentences, warnings }) => ({
    ...{ audience, sentences, warnings },
  }))
  answer(asked, io, { good: true, postures: told }, () =>
    told
      .map(({ audience, sentences }) => printSentences(io, audience, sentences))
      .concat(`Always passes: ${alwaysPasses}.\n`)
      .join('\n'),
  )
  for (const { audience, warnings } of told) tellWarnings(io, audience, warnings)
  return 0
}

export const showPosture: Handler = async (asked, io) => {
  const [audience] = asked.words('audience')
  const wanted = audience === undefined ? undefined : readAudience(audience)
  const all = (await fetchPostures(openClient(io.environment))).filter(
    (one) => !one.removed && (wanted === undefined || one.audience === wanted),
  )
  if (wanted !== undefined && all.length === 0)
    throw new Problem('not_found', `${wanted} has no standing rules`, {
      remedy: '"cordon posture list" shows who has',
    })
  answer(asked, io, all, () =>
    all.length === 0
      ? 'no audience has standing rules\n'
      : all
          .map(
            ({ audience: name, applied, actor, sentences, nodes }) =>
              printSentences(io, name, sentences) +
              `  applied ${printAgo(applied, io.now())} by ${printable(actor)}\n` +
              printTrials(nodes) +
              printElsewhere(nodes, io),
          )
          .join('\n'),
  )
  return 0
}

export const listPostures: Handler = async (asked, io) => {
  const all = await fetchPostures(openClient(io.environment))
  const rows = all.flatMap(({ audience, removed, nodes }) =>
    nodes.map(({ node, status, in_force, next_change }) => [
      audience,
      node,
      removed && status === 'applied' ? 'removed' : status,
      in_force === null ? 'none' : `of ${printAgo(in_force, io.now())}`,
      next_change === null ? '-' : printAgo(next_change, io.now()),
    ]),
  )
  const words = all.flatMap(({ audience, nodes }) =>
    nodes.flatMap(({ node, detail }) =>
      detail === null ? [] : [`${audience} on ${printable(node)}: ${printable(detail)}\n`],
    ),
  )
  const headings = ['FOR', 'NODE', 'STATUS', 'VERSION IN FORCE', 'NEXT CHANGE']
  answer(asked, io, all, () => printColumns(io, headings, rows) + words.join(''))
  return all.some(({ nodes }) => nodes.some(({ status }) => unwell.has(status))) ? 3 : 0
}

/** Where it may go again. */
function printTrials(nodes: StandingPosture['nodes']): string {
  const trying = nodes
    .filter(({ status }) => status === 'trying')
    .map(({ node }) => printable(node))
  if (trying.length === 0) return ''
  return `  on trial on ${trying.join(', ')}: the kernel there goes back by itself unless the node reaches the service in time\n`
}

/** Where these rules are not what judges. */
function printElsewhere(nodes: StandingPosture['nodes'], io: Io): string {
  return nodes
    .filter(({ status }) => unwell.has(status))
    .map(({ node, status, in_force }) => {
      const instead = in_force === null ? 'none' : `those of ${printAgo(in_force, io.now())}`
      return `  not in force on ${printable(node)}, which says ${status}; in force there: ${instead}\n`
    })
    .join('')
}

const unwell: ReadonlySet<string> = new Set(['reverted', 'refused', 'failed'])

export function tellWarnings(io: Io, audience: string, warnings: readonly string[]): void {
  for (const warning of warnings)
    io.err(`${paint(io, 'err', 'yellow', 'warning')}: ${audience}: ${printable(warning)}\n`)
}

/** Those that were named, and the one from which whoever types this came over SSH. */
export function adminsOf(asked: Asked, { environment }: Io): Address[] {
  const over = (environment.SSH_CONNECTION ?? environment.SSH_CLIENT ?? '').split(' ', 1)[0] ?? ''
  const here = maybeAddress(over.replace(/%.*/, ''))
  return [...(here ? [here] : []), ...asked.options('from').map(readAddress)]
}

/** Throws `not_found`. */
export function readTheFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Problem('not_found', `cannot read the posture file ${file}`, {
      remedy: 'check the path and that this user may read it',
      cause: error,
    })
  }
}

/** Undefined, and said why, for a file that is wrong: that is an answer and no failure. */
async function proposeHere(asked: Asked, io: Io): Promise<Proposed | undefined> {
  const text = readTheFile(asked.argument('file'))
  const { places } = readSections(io.environment)
  try {
    return await proposePostures(text, openCountries(places), new Map(), adminsOf(asked, io))
  } catch (error) {
    const problem = toProblem(error)
    if (problem.code !== 'posture_invalid') throw problem
    if (asked.json) io.out(`${JSON.stringify({ good: false, problem })}\n`)
    printProblem(problem, io)
    return undefined
  }
}

function printSentences(io: Io, audience: string, sentences: readonly string[]): string {
  const lines = sentences.map((sentence, at) => `  ${at + 1}. ${printable(sentence, 1_000)}\n`)
  return `${paint(io, 'out', 'bold', printable(audience))}\n${lines.join('')}`
}
