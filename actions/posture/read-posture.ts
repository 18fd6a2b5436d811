/** The text of a posture file: read as YAML against the schema, and refused at the place where it is wrong. */
import { type Document, LineCounter, parseDocument } from 'yaml'
import { Problem } from '#contract/problem.ts'
import { readSchedule, ScheduleMistake } from '#contract/schedule.ts'
import { type Path, placeOf } from '../decide/place.ts'
import { PostureFile } from './posture-file.ts'

export type PostureSource = { file: PostureFile; refuse: Refuse }
/** The problem of what the path names. */
export type Refuse = (path: Path, message: string, remedy: string) => Problem

type Written = { text: string; document: Document; lines: LineCounter }

/** Throws `posture_invalid` for the first thing that is wrong. */
export function readPostureFile(text: string): PostureSource {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const written = { text, document, lines }
  const error = document.errors[0]
  if (error) {
    const { line, col } = lines.linePos(error.pos[0])
    throw invalid(line, col, `this is no YAML: ${plain(error.message)}`, {
      remedy: 'look for a missing quote, colon or indent here',
      cause: error,
    })
  }
  const refuse: Refuse = (path, message, remedy) => {
    const { line, col } = placeOf(written, path)
    return invalid(line, col, named(document, path) + message, { remedy })
  }
  const file = check(written)
  refuseRepeats(file, refuse)
  refuseTimes(file, refuse)
  return { file, refuse }
}

function check(written: Written): PostureFile {
  const read = PostureFile.safeParse(toValue(written))
  if (read.success) return read.data
  // An unknown key first: the key that is missing is most likely the one that was misspelt.
  const { issues } = read.error
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  const path = (issue?.path ?? []).filter((step) => typeof step !== 'symbol')
  const key = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const { line, col } = placeOf(written, path, key)
  const more = issues.length - 1
  const what = named(written.document, path) + plain(issue?.message ?? 'not understood')
  throw invalid(line, col, what, {
    remedy: more > 0 ? `correct this; ${more} more after it` : 'correct this and try again',
    cause: read.error,
  })
}

/** Aliases that grow without end are refused by the reader. */
function toValue({ document }: Written): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw invalid(1, 1, 'the aliases of this YAML cannot be followed', {
      remedy: 'write the values out instead of using * and &',
      cause: error,
    })
  }
}

function refuseRepeats({ postures }: PostureFile, refuse: Refuse): void {
  for (const [at, { for: audience, rules }] of postures.entries()) {
    if (postures.findIndex((one) => one.for === audience) !== at)
      throw refuse(['postures', at, 'for'], `${audience} has rules above already`, 'put them there')
    for (const [index, { name }] of rules.entries())
      if (rules.findIndex((rule) => rule.name === name) !== index)
        throw refuse(
          ['postures', at, 'rules', index, 'name'],
          `another rule of ${audience} is called so`,
          'give each rule a name of its own: it is what people see on the node',
        )
  }
}

function refuseTimes(file: PostureFile, refuse: Refuse): void {
  for (const [at, posture] of file.postures.entries())
    for (const [index, { service, country }] of posture.rules.entries()) {
      const during = (service ?? country)?.during
      if (!during) continue
      const path = ['postures', at, 'rules', index, service ? 'service' : 'country', 'during']
      const zone = during.zone ?? posture.zone ?? file.zone
      if (zone === undefined)
        throw refuse(path, 'in which time zone?', 'write zone: Europe/Berlin here or at the top')
      try {
        readSchedule(during.times, zone)
      } catch (error) {
        if (!(error instanceof ScheduleMistake)) throw error
        throw refuse(path, error.message, 'write it as in "mon-fri 22:00-06:00, sat"')
      }
    }
}

/** `group/web, rule "web", service.ports: ` */
function named(document: Document, path: Path): string {
  const [list, at, rules, index, ...rest] = path
  if (list !== 'postures' || typeof at !== 'number')
    return path.length === 0 ? '' : `${path.join('.')}: `
  const audience = document.getIn([list, at, 'for'])
  const who = typeof audience === 'string' ? audience : `posture ${at + 1}`
  if (rules !== 'rules' || typeof index !== 'number')
    return `${who}${rules === undefined ? '' : `, ${rules}`}: `
  const name = document.getIn([list, at, rules, index, 'name'])
  const which = typeof name === 'string' ? `"${name}"` : `number ${index + 1}`
  return `${who}, rule ${which}${rest.length === 0 ? '' : `, ${rest.join('.')}`}: `
}

function invalid(
  line: number,
  column: number,
  message: string,
  more: { remedy: string; cause?: unknown },
): Problem {
  return new Problem('posture_invalid', `line ${line}, column ${column}: ${message}`, more)
}

function plain(message: string): string {
  if (/received undefined$/.test(message)) return 'this is missing'
  const text = message.replace(/\.$/, '')
  return text.charAt(0).toLowerCase() + text.slice(1)
}
