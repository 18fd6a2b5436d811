/** One mail of one or several notices: plain text, and the same as simple HTML without anything from elsewhere. Pure. */
import type { Notice } from '#contract/notice.ts'
import { messageTitle } from '../message.ts'

/** `id` makes the Message-ID, by which a mail program recognises a repeat. */
export function mailOf(
  notices: readonly Notice[],
  id: string,
  from: string,
  to: readonly string[],
) {
  const urgent = notices.some(({ urgency }) => urgency === 'high')
  return {
    from: { name: 'Cordon', address: from },
    to: [...to],
    subject: `[Cordon] ${messageTitle(notices)}`,
    messageId: `<cordon.${id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    ...(urgent && { priority: 'high' as const }),
    text: notices.map(plain).join(`\n${'-'.repeat(60)}\n\n`),
    html: `<!doctype html><meta charset="utf-8"><body>${notices.map(html).join('<hr>')}</body>`,
  }
}

function plain({ title, text, at, actor, event, answers }: Notice): string {
  const links = answers.map(({ label, url }) => `${label}:\n${url}\n`)
  return [title, '', text, '', ...links, `${at}  ${event}  by ${actor}`, ''].join('\n')
}

function html({ title, text, at, actor, event, answers }: Notice): string {
  const links = answers.map(
    ({ label, url }) => `<a href="${escapeHtml(url)}">${escapeHtml(label)}</a>`,
  )
  return [
    `<h3>${escapeHtml(title)}</h3>`,
    `<p>${escapeHtml(text).replaceAll('\n', '<br>')}</p>`,
    ...(links.length > 0 ? [`<p>${links.join(' &nbsp; ')}</p>`] : []),
    `<p><small>${escapeHtml(`${at} ${event} by ${actor}`)}</small></p>`,
  ].join('')
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
