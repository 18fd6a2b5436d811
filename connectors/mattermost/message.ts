/** A message of Mattermost: one attachment a notice, with its Markdown escaped. Pure. */
import type { Notice } from '#contract/notice.ts'
import { messageTitle, shorten } from '../message.ts'

const fullNotices = 20
/** Mattermost takes about 7,600 characters in a line of its smallest database. */
const longestText = 3_500

const colours: Record<Notice['urgency'], string> = {
  low: '#8a8a8a',
  normal: '#2f6fde',
  high: '#c9302c',
}

export function mattermostMessage(notices: readonly Notice[]): object {
  const { full, titles } = shorten(notices, fullNotices)
  const rest = titles.map((title) => escapeMarkdown(title)).join('\n')
  return {
    text: notices.length === 1 ? '' : escapeMarkdown(messageTitle(notices)),
    attachments: [
      ...full.map(attachment),
      ...(rest === '' ? [] : [{ fallback: 'more', text: rest.slice(0, longestText) }]),
    ],
  }
}

function attachment({ title, text, urgency, answers }: Notice): object {
  const links = answers.map(({ label, url }) => `[${escapeMarkdown(label)}](${linkTo(url)})`)
  const body = escapeMarkdown(text.slice(0, longestText))
  return {
    fallback: escapeMarkdown(title),
    color: colours[urgency],
    title: escapeMarkdown(title),
    text: [body, ...(links.length > 0 ? [links.join(' · ')] : [])].join('\n\n'),
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/**
 * Also for what Mattermost takes over from Slack (`<!channel>`). A mention has a zero-width space put in, because it is
 * looked for before the Markdown is read.
 */
function escapeMarkdown(text: string): string {
  return text
    .replace(/[&<>]/g, (character) => entities[character] ?? character)
    .replace(/[\\`*_{}[\]()#+\-!|~:]/g, '\\$&')
    .replaceAll('@', '@\u200b')
}

function linkTo(url: string): string {
  return new URL(url).href.replaceAll('(', '%28').replaceAll(')', '%29')
}
