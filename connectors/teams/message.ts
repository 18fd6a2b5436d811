/** An Adaptive Card in the envelope that the workflows of Teams take. Pure. */
import type { Notice } from '#contract/notice.ts'
import { messageTitle, shorten } from '../message.ts'

/** Teams refuses a message of more than 28 KB. */
const largest = 24_000

/** As many notices in full as there is room for, and then as many titles; the first title counts them all. */
export function teamsMessage(notices: readonly Notice[]): object {
  for (let most = 20; most > 0; most--) {
    const message = cardOf(notices, most, 2 * most)
    if (Buffer.byteLength(JSON.stringify(message)) <= largest) return message
  }
  return cardOf(notices, 0, 1)
}

function cardOf(notices: readonly Notice[], mostFull: number, mostTitles: number): object {
  const { full, titles } = shorten(notices, mostFull)
  const alone = notices.length === 1
  const body = [
    line(messageTitle(notices), { size: 'Large', weight: 'Bolder' }),
    ...full.flatMap((notice) => linesOf(notice, alone)),
    ...titles.slice(0, mostTitles).map((title) => line(title.slice(0, 200))),
  ]
  const actions = full
    .flatMap(({ answers, title }) =>
      answers.map(({ label, url }) => ({
        type: 'Action.OpenUrl',
        title: alone ? label : `${label}: ${title}`.slice(0, 100),
        url,
      })),
    )
    .slice(0, 6)
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    body,
    ...(actions.length > 0 && { actions }),
  }
  const contentType = 'application/vnd.microsoft.card.adaptive'
  return { type: 'message', attachments: [{ contentType, contentUrl: null, content }] }
}

function linesOf(notice: Notice, alone: boolean): object[] {
  const title = alone ? [] : [line(notice.title, { weight: 'Bolder' })]
  return [
    ...title,
    ...notice.text
      .split('\n')
      .filter(Boolean)
      .map((text) => line(text)),
  ]
}

/** A run of text is shown as it is; a TextBlock would read Markdown in what an attacker may have chosen. */
function line(text: string, look: { size?: string; weight?: string } = {}): object {
  return { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text, ...look }] }
}
