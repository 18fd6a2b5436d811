/** The text of a policy: read as YAML against the schema, and refused at the place where it is wrong. */
import { type Document, LineCounter, parseDocument } from 'yaml'
import { nearest, Problem } from '#contract/problem.ts'
import { type Path, type Place, placeOf } from './place.ts'
import { PolicyFile } from './policy-file.ts'

export type Source = { text: string; document: Document; lines: LineCounter }

/** Throws `policy_invalid` for what is no YAML. */
export function readSource(text: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const error = document.errors[0]
  if (error === undefined) return { text, document, lines }
  throw invalid(lines.linePos(error.pos[0]), `this is no YAML: ${plain(error.message)}`, {
    remedy:
      'look for a missing quote, colon or indent here; a condition that begins with a quote needs quotes around it',
    cause: error,
  })
}

/** Throws `policy_invalid` for the first thing that the schema does not know or take. */
export function checkSource(source: Source): PolicyFile {
  const read = PolicyFile.safeParse(toValue(source))
  if (read.success) return read.data
  // An unknown key first: the key that is missing is most likely the one that was misspelt.
  const { issues } = read.error
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  const path = (issue?.path ?? []).filter((step) => typeof step !== 'symbol')
  const key = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const more = issues.length - 1
  const place = placeOf(source, path, key)
  const written = source.document.getIn(path)
  const known = issue?.code === 'invalid_value' ? issue.values.map(String) : []
  const guess = typeof written === 'string' ? nearest(written, known) : undefined
  const correct = guess === undefined ? 'correct this' : `did you mean ${guess}? correct this`
  throw invalid(place, `${named(source, path)}${plain(issue?.message ?? 'not understood')}`, {
    remedy: more > 0 ? `${correct}; ${more} more after it` : `${correct} and load it again`,
    cause: read.error,
  })
}

/** Aliases that grow without end are refused by the reader. */
function toValue({ document, lines }: Source): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw invalid(lines.linePos(0), 'the aliases of this YAML cannot be followed', {
      remedy: 'write the values out instead of using * and &',
      cause: error,
    })
  }
}

/** The problem of what the path names; `within` is a character of the text that is written there. */
export function refusal(source: Source, path: Path, { message, remedy, within }: Refusal): Problem {
  const place = placeOf(source, path, undefined, within)
  return invalid(place, named(source, path) + message, { remedy })
}
type Refusal = { message: string; remedy: string; within?: { text: string; at: number } }

/** `rule "web attack", when: ` for a path inside that rule; otherwise the path as it is written. */
function named({ document }: Source, path: Path): string {
  const [list, index, ...rest] = path
  const name = document.getIn([list, index, 'name'])
  if (list !== 'rules' && list !== 'tests') return path.length === 0 ? '' : `${path.join('.')}: `
  if (typeof index !== 'number') return `${list}: `
  const which = typeof name === 'string' ? `"${name}"` : `number ${index + 1}`
  const where = rest.length === 0 ? '' : `, ${rest.join('.')}`
  return `${list.slice(0, -1)} ${which}${where}: `
}

function invalid(
  place: Place,
  message: string,
  more: { remedy: string; cause?: unknown },
): Problem {
  return new Problem('policy_invalid', `line ${place.line}, column ${place.col}: ${message}`, more)
}

function plain(message: string): string {
  if (/received undefined$/.test(message)) return 'this is missing'
  const text = message.replace(/\.$/, '')
  return text.charAt(0).toLowerCase() + text.slice(1)
}
