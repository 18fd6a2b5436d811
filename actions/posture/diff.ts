/** What applying would change for an audience. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { Posture } from '#contract/posture.ts'
import { describePosture } from './describe.ts'

/** Lines as in a diff: `+` comes, `-` goes; a blank before what stays and gives the place. */
export type PostureDiff = { audience: string; change: 'new' | 'changed' | 'same'; lines: string[] }

export function diffPosture(
  audience: string,
  before: Posture | undefined,
  after: Posture,
): PostureDiff {
  if (!before)
    return { audience, change: 'new', lines: describePosture(after).map((one) => `+ ${one}`) }
  if (isDeepStrictEqual(before, after)) return { audience, change: 'same', lines: [] }
  const lines = [...ruleLines(before, after), ...countryLines(before, after)]
  return { audience, change: 'changed', lines }
}

/** By name, since that is what a rule is known by; one that only moved is said to have moved. */
function ruleLines(before: Posture, after: Posture): string[] {
  const old = sentences(before)
  const now = sentences(after)
  const gone = [...old].filter(([, sentence]) => ![...now.values()].includes(sentence))
  const come = [...now].filter(([, sentence]) => ![...old.values()].includes(sentence))
  const stays = (all: Map<string, string>, others: Map<string, string>) =>
    [...all.values()].filter((one) => [...others.values()].includes(one))
  const moved = stays(old, now).join('\n') !== stays(now, old).join('\n')
  return [
    ...gone.map(([, sentence]) => `- ${sentence}`),
    ...come.map(([, sentence]) => `+ ${sentence}`),
    ...(moved ? ['  the order of the rules is another one'] : []),
  ]
}

function sentences(posture: Posture): Map<string, string> {
  // Numbers of networks are told apart from rules: they change with the database.
  const bare = describePosture({ ...posture, countries: [] }).map((one) =>
    one.replaceAll(' (0 networks)', ''),
  )
  return new Map(bare.map((sentence, at) => [String(at), sentence]))
}

function countryLines(before: Posture, after: Posture): string[] {
  const old = new Map(before.countries.map((one) => [one.country, one]))
  return after.countries.flatMap(({ country, entries, chunks }) => {
    const was = old.get(country)
    if (!was || was.chunks.join() === chunks.join()) return []
    return [`  ${country} has other networks: ${was.entries} before, ${entries} now`]
  })
}
