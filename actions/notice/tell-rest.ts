/** Nodes, sources, policy, keys, tokens and everything else in words. Pure. */
import { diffLines } from 'diff'
import { command, type Fields, type Told, textIn, textsIn, type Words, whoOf } from './told.ts'

/** Changed lines of a policy that are told. */
const mostChanges = 30
/** Fields of an event that has no words of its own. */
const mostFields = 12

export function tellNode({ action, subject, actor, after, before }: Told): Words | undefined {
  const detail = textIn(after, 'detail')
  const groups = (fields: Fields) => textsIn(fields, 'groups').join(', ') || 'none'
  const by = `By ${whoOf(actor)}`
  const list = `See: ${command('node list')}`
  const ofItself = (title: string): Words => ({
    title,
    lines: [...(detail === undefined ? [] : [`It says: ${detail}`]), list],
  })
  switch (action) {
    case 'node.invite':
      return { title: 'A node was invited', lines: [by, `Groups: ${groups(after)}`, list] }
    case 'node.enrol':
      return {
        title: `Node ${subject} was enrolled`,
        lines: [
          `Groups: ${groups(after)}`,
          list,
          `If nobody of you did that: ${command(`node revoke ${subject}`)}`,
        ],
      }
    case 'node.revoke':
      return {
        title: `Node ${subject} was revoked`,
        lines: [by, 'What it enforces ends by its own time.', list],
      }
    case 'node.regroup':
      return {
        title: `Node ${subject} is in other groups`,
        lines: [by, `Before: ${groups(before)}`, `Now: ${groups(after)}`, list],
      }
    case 'node.healed':
      return ofItself(`Node ${subject} put its firewall right again`)
    case 'node.degraded':
      return ofItself(`Node ${subject} is not well`)
    case 'node.recovered':
      return ofItself(`Node ${subject} is well again`)
    case 'node.silent':
      return {
        title: `Node ${subject} has fallen silent`,
        lines: [
          'Its heartbeats do not come. What it enforces goes on and ends by its own time; it hears of nothing new.',
          list,
        ],
      }
    case 'node.back':
      return ofItself(`Node ${subject} is back`)
    case 'node.resynchronised':
      return ofItself(`Node ${subject} took the whole state anew`)
    case 'node.head_withheld':
      return ofItself(`Node ${subject} hears nothing signed any more`)
    case 'node.guard_changed':
      return ofItself(`Node ${subject} protects other addresses than before`)
    case 'node.cut_off':
      return ofItself(`Node ${subject} had cut itself off, and let go of what did it`)
    case 'node.put_back':
      return ofItself(`Node ${subject} lost the service, but not by a block`)
    default:
      return undefined
  }
}

const kinds: Readonly<Record<string, string>> = {
  list: 'list',
  places: 'database of places',
  provider: 'provider',
}

/** A source of facts. */
export function tellSource({ action, subject, after }: Told): Words | undefined {
  const [noun = '', state] = action.split('.')
  const kind = kinds[noun]
  if (kind === undefined || (state !== 'silent' && state !== 'ready')) return undefined
  const list = `See: ${command('source list')}`
  if (state === 'ready') return { title: `The ${kind} ${subject} answers again`, lines: [list] }
  return {
    title: `The ${kind} ${subject} has fallen silent`,
    lines: [
      ...whyOf(after),
      'Rules that ask it are judged as sources in the policy says of its silence.',
      list,
    ],
  }
}

/** A part of a connector, as `cordon connector list` shows it. */
export function tellConnector({ action, subject, after }: Told): Words | undefined {
  const list = `See: ${command('connector list')}`
  const why = [...whyOf(after), list]
  switch (action) {
    case 'connector.silent':
      return {
        title: `Nothing comes in any more: ${subject}`,
        lines: ['It is tried again by itself, and goes on where it was left.', ...why],
      }
    case 'connector.away':
      return {
        title: `Cannot be reached: ${subject}`,
        lines: ['It is tried again by itself; what is for it waits.', ...why],
      }
    case 'connector.ready':
      return { title: `Works again: ${subject}`, lines: [list] }
    default:
      return undefined
  }
}

function whyOf(after: Fields): string[] {
  const [detail, remedy] = [textIn(after, 'detail'), textIn(after, 'remedy')]
  return [
    ...(detail === undefined ? [] : [`Why: ${detail}`]),
    ...(remedy === undefined ? [] : [`What to do: ${remedy}`]),
  ]
}

export function tellAdministration(told: Told): Words | undefined {
  const { action, subject, actor, after, before } = told
  const by = `By ${whoOf(actor)}`
  switch (action) {
    case 'policy.change':
      return {
        title: `The policy was changed by ${whoOf(actor)}`,
        lines: [...changes(before, after), `See: ${command('policy show')}`],
      }
    case 'key.rotate':
      return {
        title: 'A new key signs from now on',
        lines: [
          by,
          `Key: ${subject}`,
          ...(textIn(after, 'retired') ? ['The keys before it are trusted no longer.'] : []),
          `See: ${command('key show')}`,
        ],
      }
    case 'epoch.begin':
      return {
        title: 'A new epoch begins: every node asks for the whole state',
        lines: [
          by,
          `Why: ${textIn(after, 'why') ?? 'the store is older than what nodes have heard'}`,
        ],
      }
    case 'token.create':
      return {
        title: `A token was made: ${textIn(after, 'name') ?? subject}`,
        lines: [
          by,
          ...(textsIn(after, 'scopes').length > 0
            ? [`It may: ${textsIn(after, 'scopes').join(', ')}`]
            : []),
          `Undo: ${command(`token revoke ${subject}`)}`,
        ],
      }
    case 'token.revoke':
      return { title: `The token ${subject} was revoked`, lines: [by] }
    case 'notice.dead':
      return {
        title: `The channel ${textIn(after, 'channel') ?? ''} could not be told something`,
        lines: [
          `Why: ${textIn(after, 'problem') ?? 'not known'}`,
          `See: ${command('notice list')}`,
          `Send again: ${command(`notice resend ${subject}`)}`,
        ],
      }
    case 'posture.reverted':
    case 'posture.refused':
    case 'posture.failed':
      return {
        title: `Node ${subject} ${postureWords[action]} the standing rules of ${textIn(after, 'audience') ?? 'its group'}`,
        lines: [
          `It says: ${textIn(after, 'detail') ?? 'nothing more'}`,
          `See: ${command('posture list')}`,
          'Correct the rules and apply them again.',
        ],
      }
    case 'result.refused':
      return {
        title: `${subject} refused results for good`,
        lines: [
          `${numberIn(after, 'refused')} of ${numberIn(after, 'of')} in one batch; the others were taken.`,
          `Why: ${textIn(after, 'problem') ?? 'not known'}`,
          'But for judged alerts they are in the journal still, from which they can be exported.',
          `See: ${command('connector list')}`,
        ],
      }
    case 'result.lost':
      return {
        title: `${subject} was not told of all alerts`,
        lines: [
          `Why: ${textIn(after, 'problem') ?? 'not known'}`,
          'What to do: keep alerts longer (retention), or get it back sooner. Decisions and what nodes said were told.',
          `See: ${command('connector list')}`,
        ],
      }
    default:
      return undefined
  }
}

const postureWords = {
  'posture.reverted': 'went back from',
  'posture.refused': 'refused',
  'posture.failed': 'cannot enforce',
} as const

function numberIn(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'number' ? String(value) : 'some'
}

/** The event by its own name, with the fields that the journal holds. */
export function tellAnything({ action, subject, actor, after, before }: Told): Words {
  const fields = Object.entries({ ...before, ...after })
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
    .slice(0, mostFields)
    .map(([name, value]) => `${name}: ${String(value)}`)
  const [noun = '', verb = ''] = action.replaceAll('_', ' ').split('.')
  return { title: `${noun} ${subject}: ${verb}`, lines: [`By ${whoOf(actor)}`, ...fields] }
}

function changes(before: Fields, after: Fields): string[] {
  const now = textIn(after, 'value') ?? ''
  const then = textIn(before, 'value')
  if (then === undefined) return ['It is the first policy of this service.']
  const changed = diffLines(then, now).flatMap((part) => {
    if (!part.added && !part.removed) return []
    const sign = part.added ? '+ ' : '- '
    return part.value
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => sign + line)
  })
  const rest = changed.length - mostChanges
  return [...changed.slice(0, mostChanges), ...(rest > 0 ? [`and ${rest} more lines`] : [])]
}
