/** What a posture file would come to: compiled with the networks of its countries, compared, and looked through for lock-outs. */
import type { Address } from '#contract/address.ts'
import { type CountryNetworks, mostPostures, type Posture } from '#contract/posture.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { makeContent } from '../flow/feed-content.ts'
import { compile, namedCountries } from './compile.ts'
import type { Countries } from './country-networks.ts'
import { describePosture } from './describe.ts'
import { diffPosture, type PostureDiff } from './diff.ts'
import { lockOuts } from './lock-out.ts'
import { readPostureFile } from './read-posture.ts'

export type Proposal = {
  audience: string
  confirm: number
  posture: Posture
  sentences: string[]
  warnings: string[]
  diff: PostureDiff
}
export type Proposed = {
  proposals: Proposal[]
  /** Chunks of networks by digest. */
  chunks: ReadonlyMap<string, string>
}

/** Throws `posture_invalid`. `admins` are those of whom it is known that they administer. */
export async function proposePostures(
  text: string,
  countries: Countries,
  inForce: ReadonlyMap<string, Posture>,
  admins: readonly Address[],
): Promise<Proposed> {
  const source = readPostureFile(text)
  const codes = namedCountries(source)
  const networks = codes.length === 0 ? noNetworks : await networksOf(countries, codes)
  const { content, chunks } = await contentOf(networks)
  const compiled = compile(source, content)
  if (compiled.length > mostPostures)
    throw new Problem('posture_invalid', `rules for more than ${mostPostures} audiences`, {
      remedy: 'put nodes into fewer groups',
    })
  const proposals = compiled.map(({ audience, confirm, posture }) => ({
    audience,
    confirm,
    posture,
    sentences: describePosture(posture),
    warnings: [...lockOuts(posture, networks, admins), ...tooMuch(posture)],
    diff: diffPosture(audience, inForce.get(audience), posture),
  }))
  return { proposals, chunks }
}

/** Measured with nft 1.0.6: 94,000 networks take 4 s, 215,000 take 9 s. */
const slowNetworks = 50_000
const networksASecond = 24_000

function tooMuch({ countries }: Posture): string[] {
  const total = countries.reduce((sum, { entries }) => sum + entries, 0)
  if (total <= slowNetworks) return []
  const seconds = Math.round(total / networksASecond)
  return [
    `its countries hold ${total} networks: a node works about ${seconds} s to load them, at each change and at each time that begins or ends; "allow" of a few countries needs fewer than "deny" of many`,
  ]
}

type Networks = ReadonlyMap<string, readonly Address[]>
const noNetworks: Networks = new Map()

async function networksOf(countries: Countries, codes: readonly string[]): Promise<Networks> {
  try {
    return (await countries.networks(codes)).networks
  } catch (error) {
    throw new Problem(
      'posture_invalid',
      `it names ${codes.join(', ')}, and there is no database of countries: ${toProblem(error).message}`,
      {
        remedy: 'name one with CORDON_PLACES_COUNTRY, or take the countries out',
        cause: error,
      },
    )
  }
}

async function contentOf(networks: Networks) {
  const content = new Map<string, CountryNetworks>()
  const chunks = new Map<string, string>()
  for (const [country, all] of networks) {
    const made = await makeContent(country, all)
    for (const [digest, text] of made.chunks) chunks.set(digest, text)
    content.set(country, { country, entries: made.entries, chunks: [...made.chunks.keys()] })
  }
  return { content, chunks }
}
