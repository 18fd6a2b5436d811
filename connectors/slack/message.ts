/** A message of Slack: blocks, and the text that stands for them in a notification. Pure. */
import type { Notice } from '#contract/notice.ts'
import { messageTitle, shorten } from '../message.ts'

// Limits of Slack: 50 blocks, 150 characters of a header, 3,000 of a section, 75 of a button.
const fullNotices = 20
const longestSection = 2_900

export function slackMessage(notices: readonly Notice[]): object {
  const title = messageTitle(notices)
  const { full, titles } = shorten(notices, fullNotices)
  const alone = notices.length === 1
  const blocks: object[] = [
    { type: 'header', text: { type: 'plain_text', text: title.slice(0, 150), emoji: false } },
    ...full.flatMap((notice) => blocksOf(notice, alone)),
    ...(titles.length > 0 ? [section(escapeWithin(titles.join('\n'), longestSection))] : []),
  ]
  return {
    text: escapeWithin(title, longestSection),
    blocks,
    unfurl_links: false,
    unfurl_media: false,
  }
}

function blocksOf(notice: Notice, alone: boolean): object[] {
  const title = alone ? '' : `*${escapeWithin(notice.title, 1_200)}*\n`
  const text = escapeWithin(notice.text, longestSection - title.length)
  const buttons = notice.answers.map(({ label, url }) => ({
    type: 'button',
    text: { type: 'plain_text', text: label.slice(0, 75), emoji: false },
    url,
  }))
  return [
    section(`${title}${text}`),
    ...(buttons.length > 0 ? [{ type: 'actions', elements: buttons }] : []),
  ]
}

/** Verbatim: names and addresses in the text are not made into links or mentions. */
function section(text: string): object {
  return { type: 'section', text: { type: 'mrkdwn', text, verbatim: true } }
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Cut so that the escaped text fits and no escape is cut in two. */
function escapeWithin(text: string, limit: number): string {
  let escaped = ''
  for (const character of text) {
    const next = escapes[character] ?? character
    if (escaped.length + next.length >= limit) return `${escaped}…`
    escaped += next
  }
  return escaped
}
