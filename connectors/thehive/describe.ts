/** A notice as an alert or a comment of TheHive, which reads Markdown: nothing that an attacker chose becomes any. Pure. */
import { createHash } from 'node:crypto'
import { isHost, maybeAddress } from '#contract/address.ts'
import type { Notice } from '#contract/notice.ts'
import { type NewAlert, noticeType, reviewType, tags } from './alert.ts'
import type { Settings } from './settings.ts'

const severities = { low: 1, normal: 2, high: 3 } as const
const longestRef = 128

export function reviewAlert(notice: Notice, settings: Settings): NewAlert {
  const target = targetOf(notice)
  const message = 'Cordon asks whether to block it'
  return {
    ...alertOf(notice),
    type: reviewType,
    sourceRef: notice.subject,
    description: [quoted(notice.text), ...answering(notice, settings)].join('\n\n'),
    observables: target === undefined ? [] : [{ ...target, message, tags: ['cordon'] }],
  }
}

export function noticeAlert(notice: Notice): NewAlert {
  const hash = () => createHash('sha256').update(notice.id).digest('hex')
  return {
    ...alertOf(notice),
    type: noticeType,
    sourceRef: notice.id.length <= longestRef ? notice.id : hash(),
    description: quoted(notice.text),
    observables: [],
  }
}

/** `mark` is found in it again, so that it is said once. */
export function noticeComment(notice: Notice): { text: string; mark: string } {
  const mark = `(${notice.id})`
  return { mark, text: [quoted(`${notice.title}\n${notice.text}`), mark].join('\n\n') }
}

/** Indented lines are shown as they are, and nothing in them ends that. */
export function quoted(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
}

function alertOf({ title, urgency, at }: Notice) {
  return { title, severity: severities[urgency], date: Date.parse(at), tags: ['cordon'] }
}

function answering({ answers }: Notice, settings: Settings): string[] {
  const statuses = (names: readonly string[]) => names.map((name) => `**${name}**`).join(' or ')
  const links = answers.map(({ label, url }) => `[${label.replace(/[[\]]/g, '')}](${url})`)
  return [
    `**To approve** add the tag \`${tags.approve}\`, or close the alert as ${statuses(settings.approve_statuses)}.`,
    `**To decline** add the tag \`${tags.decline}\`, or close it as ${statuses(settings.decline_statuses)}.`,
    'Cordon answers here, mostly within seconds.',
    ...(links.length > 0 ? [`Or by a link, once: ${links.join(' · ')}`] : []),
  ]
}

/** The type `ip` is for hosts. */
function targetOf({ details }: Notice): { dataType: string; data: string } | undefined {
  const { after } = details
  const text =
    typeof after === 'object' && after !== null ? Reflect.get(after, 'target') : undefined
  const address = typeof text === 'string' ? maybeAddress(text) : undefined
  return address && { dataType: isHost(address) ? 'ip' : 'other', data: address.text }
}
