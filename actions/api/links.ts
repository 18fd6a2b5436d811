/** The page behind a one-time link of a notice: it says what will be done; only its button does it. */
import { createHash } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import { html, raw } from 'hono/html'
import { printDuration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { explainReason } from '../decide/explain.ts'
import type { Flow } from '../flow/flow.ts'
import type { Asked } from '../flow/links.ts'
import { type App, mount, type RouteContext } from './route.ts'
import { Reason } from './show-decisions.ts'

const params = z.object({
  token: z
    .string()
    .max(1_000)
    .meta({ description: 'as it stands in a notice', example: 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln' }),
})
const page = {
  status: 200,
  schema: z.string(),
  type: 'text/html',
  example: '<!doctype html>',
} as const
const problems = ['not_found', 'token_expired', 'token_used', 'conflict'] as const

export function mountLinks(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/answer/{token}',
    summary: 'Show what a link would answer',
    description: 'Changes nothing, however often it is fetched.',
    tag: 'review',
    access: 'anybody',
    params,
    answer: { ...page, description: 'a page with a form' },
    problems,
    handle: ({ params: { token } }, context) =>
      asPage(context, async () => form(await flow.links.read(token), flow.now())),
  })

  mount(app, {
    method: 'post',
    path: '/v1/answer/{token}',
    summary: 'Answer by a link',
    description: 'Does what the link says, once.',
    tag: 'review',
    access: 'anybody',
    params,
    form: true,
    body: z.strictObject({ reason: z.string().max(5_000) }),
    bodyExample: { reason: 'known bad network' },
    answer: { ...page, description: 'a page that says what was done' },
    problems: [
      ...problems,
      'forbidden',
      'protected_target',
      'too_wide',
      'address_invalid',
      'too_large',
    ],
    handle: ({ params: { token }, body }, context) =>
      asPage(context, async () => {
        const reason = Reason.safeParse(body.reason)
        if (!reason.success) throw noReason()
        return answered(await flow.links.use(token, reason.data))
      }),
  })
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}
textarea{width:100%;box-sizing:border-box;font:inherit}button{font:inherit;padding:.5rem 1rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}`
const styleHash = createHash('sha256').update(style).digest('base64')

/** Nothing of the page may run, be framed, be kept, or say where it came from: its address is a secret. */
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
}

/** Whoever reads HTML gets problems as pages too. */
async function asPage(context: RouteContext, make: () => Promise<Page>): Promise<Response> {
  try {
    return context.body(String(await make()), 200, headers)
  } catch (error) {
    const problem = toProblem(error)
    for (const [name, value] of Object.entries(headers)) context.header(name, value)
    const wantsHtml = context.req.header('accept')?.includes('text/html') ?? false
    if (!wantsHtml || problem.status >= 500) throw error
    return new Response(String(await refused(problem)), { status: problem.status, headers })
  }
}

type Page = ReturnType<typeof html>

function layout(title: string, content: Page | Page[]): Page {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${raw(style)}</style></head><body><h1>${title}</h1>${content}</body></html>`
}

function form({ decision, verb }: Asked, now: number): Page {
  const { target, lengthMs, audience, rule, reasons, created } = decision
  const length = printDuration(lengthMs ?? 0)
  const what = `block ${target} for ${length} on ${audience.join(', ')}`
  const title = verb === 'approve' ? `Approve: ${what}?` : `Decline: do not ${what}?`
  return layout(
    title,
    html`<p>Nothing has happened yet. ${verb === 'approve' ? `The button below orders the nodes to ${what}.` : 'The button below closes the question; nothing is blocked by it.'}</p>
<p>Asked ${printDuration(Math.max(0, now - created))} ago${rule === null ? '' : ` by the rule "${printable(rule)}"`}.</p>
<ul>${reasons.map((reason) => html`<li>${printable(explainReason(reason), 500)}</li>`)}</ul>
<form method="post"><p><label>Why? It is kept in the journal.<br>
<textarea name="reason" rows="3" maxlength="500" required></textarea></label></p>
<p><button type="submit">${verb === 'approve' ? 'Approve' : 'Decline'}</button></p></form>
<p>More: <code>cordon review show ${decision.id}</code></p>`,
  )
}

function answered({ decision, verb }: Asked): Page {
  const { id, target } = decision
  const done =
    verb === 'approve'
      ? `Approved: ${target} is being blocked`
      : `Declined: ${target} is not blocked`
  return layout(
    done,
    html`<p>This link does nothing any more. To take it back: <code>cordon review undo ${id} --reason "..."</code></p>`,
  )
}

function refused({ message, remedy }: Problem): Page {
  return layout(
    'Nothing was done',
    html`<p>${printable(message)}</p><p>${printable(remedy ?? '')}</p>`,
  )
}

function noReason(): Problem {
  return new Problem('invalid_input', 'a reason is needed, of at most 500 characters', {
    remedy: 'go back and write why: it is kept in the journal',
  })
}
