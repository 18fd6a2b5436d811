/** Web hooks and chats against real servers: what is sent, what is believed of the answer, and that no secret is shown. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, before, describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import type { Publisher } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { mattermostMessage } from '../../connectors/mattermost/message.ts'
import { slackMessage } from '../../connectors/slack/message.ts'
import { teamsMessage } from '../../connectors/teams/message.ts'
import { openWebhook, Settings } from '../../connectors/webhook-out/connector.ts'
import { openWeb } from '../web-server.ts'
import { load } from './samples.ts'
import { approve, notice, ownCertificate } from './told.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const never = new AbortController().signal

type Got = { method: string; path: string; headers: IncomingMessage['headers']; body: string }
type Answer = (response: ServerResponse, got: Got) => void

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

let certificate: Awaited<ReturnType<typeof ownCertificate>>
before(async () => {
  certificate = await ownCertificate()
})

/** A server on loopback that answers as told; `got` is what came so far. */
async function receiver(answer: Answer, tls = false) {
  const got: Got[] = []
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const piece of request) body += piece
    const { method = '', url: path = '', headers } = request
    got.push({ method, path, headers, body })
    answer(response, { method, path, headers, body })
  }
  const web = await openWeb(listener, tls ? certificate : undefined)
  closing.push(web.close)
  return { got, url: `${web.url}/hooks/T0SECRET/B0SECRET` }
}

const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (response) =>
    response.writeHead(code, headers).end(body)

const now = Date.UTC(2026, 2, 1, 3, 0, 0)

function hook(given: Record<string, unknown>, at: () => number = () => now): Publisher {
  return openWebhook(Settings.parse({ secret, ...given }), at)
}

async function problemOf(work: Promise<void>): Promise<Problem> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof Problem, String(error))
  return error
}

describe('a signed web hook', () => {
  test('carries the notices, and a signature that the public library takes', async () => {
    const { got, url } = await receiver(status(204))
    const notices = [notice(1), notice(2)]
    await hook({ url }, Date.now).publish(notices, never)
    const [one] = got
    assert.ok(one)
    assert.deepEqual(JSON.parse(one.body), { version: 1, notices })
    assert.equal(one.method, 'POST')
    assert.equal(one.headers['content-type'], 'application/json')
    const headers = Object.fromEntries(
      Object.entries(one.headers).map(([name, value]) => [name, String(value)]),
    )
    assert.deepEqual(new Webhook(secret).verify(one.body, headers), { version: 1, notices })
    const other = new Webhook(`whsec_${Buffer.alloc(32, 8).toString('base64')}`)
    assert.throws(() => other.verify(one.body, headers))
  })

  test('has the same id at every try, and another for other notices', async () => {
    const { got, url } = await receiver(status(500))
    const publisher = hook({ url })
    for (const notices of [[notice(1)], [notice(1)], [notice(1), notice(2)]])
      await publisher.publish(notices, never).catch(() => {})
    const ids = got.map(({ headers }) => headers['webhook-id'])
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[1], ids[2])
  })

  for (const code of [200, 201, 202, 204])
    test(`is content with ${code}`, async () => {
      const { url } = await receiver(status(code))
      await hook({ url }).publish([notice(1)], never)
    })

  for (const code of [408, 409, 425, 500, 502, 503, 504])
    test(`is tried again after ${code}`, async () => {
      const { url } = await receiver(status(code))
      const problem = await problemOf(hook({ url }).publish([notice(1)], never))
      assert.equal(problem.code, 'service_unreachable')
    })

  for (const code of [400, 401, 403, 404, 410, 413, 422])
    test(`is not tried again after ${code}`, async () => {
      const { url } = await receiver(status(code, {}, 'no\u0000thing'))
      const problem = await problemOf(hook({ url }).publish([notice(1)], never))
      assert.equal(problem.code, 'invalid_input')
      assert.equal(problem.message, `it answered ${code}: no\\u{0}thing`)
    })

  test('is left alone for as long as Retry-After says, in seconds or as a date', async () => {
    const date = new Date(now + 90_000).toUTCString()
    for (const [header, ms] of [
      ['30', 30_000],
      [date, 90_000],
      ['soon', undefined],
      ['99999999', 86_400_000],
    ] as const) {
      const { url } = await receiver(status(429, { 'retry-after': header }))
      const problem = await problemOf(hook({ url }).publish([notice(1)], never))
      assert.deepEqual([problem.code, problem.retryMs], ['rate_limited', ms], header)
    }
  })

  test('does not follow to where it is redirected', async () => {
    const aim = await receiver(status(200))
    const { url } = await receiver(status(307, { location: aim.url }))
    const problem = await problemOf(hook({ url }).publish([notice(1)], never))
    assert.equal(problem.code, 'invalid_input')
    assert.deepEqual(aim.got, [])
  })

  test('that never answers is left after its time', async () => {
    const { url } = await receiver(() => {})
    const problem = await problemOf(hook({ url, timeout: '50ms' }).publish([notice(1)], never))
    assert.equal(problem.code, 'service_unreachable')
    assert.match(problem.message, /did not answer in time$/)
  })

  test('that drips an endless refusal is read no further than it matters', async () => {
    const { url } = await receiver((response) => {
      response.writeHead(400)
      const drip = setInterval(() => response.write('x'.repeat(1_000)), 1)
      response.on('close', () => clearInterval(drip))
    })
    const problem = await problemOf(hook({ url }).publish([notice(1)], never))
    assert.ok(problem.message.length < 300)
  })

  test('that cuts the connection is tried again', async () => {
    const { url } = await receiver((response) => response.destroy())
    const problem = await problemOf(hook({ url }).publish([notice(1)], never))
    assert.equal(problem.code, 'service_unreachable')
  })

  test('is told to end when the service stops', async () => {
    const { url } = await receiver(() => {})
    const stop = new AbortController()
    const work = problemOf(hook({ url }).publish([notice(1)], stop.signal))
    stop.abort()
    assert.equal((await work).code, 'service_unreachable')
  })

  test('over TLS goes only to who proves to be it', async () => {
    const { url, got } = await receiver(status(200), true)
    const stranger = await problemOf(hook({ url }).publish([notice(1)], never))
    assert.equal(stranger.code, 'untrusted_service')
    assert.deepEqual(got, [])
    await hook({ url, ca: certificate.cert }).publish([notice(1)], never)
    assert.equal(got.length, 1)
  })

  test('needs a secret of enough bytes, and HTTPS but on loopback', () => {
    const url = 'https://hooks.example.org/x'
    for (const wrong of [{ url, secret: undefined }, { url, secret: 'whsec_c2hvcnQ=' }, {}])
      assert.throws(() => hook(wrong), { code: 'setting_invalid' })
    for (const wrong of ['http://192.0.2.1/x', 'ftp://192.0.2.1/x', 'not a url'])
      assert.throws(() => hook({ url: wrong }), { code: 'setting_invalid' })
    for (const right of [url, 'http://127.0.0.1:1/x', 'http://[::1]:1/x', 'http://localhost/x'])
      hook({ url: right })
  })
})

describe('no address of a hook and no secret is ever shown', () => {
  const answers: [string, Answer][] = [
    ['refuses', (response, { path }) => response.writeHead(404).end(`no such hook: ${path}`)],
    ['names the key alone', status(403, {}, 'no such token: B0SECRET')],
    ['names what came with the address', status(401, {}, 'bad sig%C3%A9S0SECRET or sigéS0SECRET')],
    ['is away', (response) => response.destroy()],
    ['is over its quota', status(429)],
    ['redirects', status(301, { location: 'http://127.0.0.1:1/T0SECRET' })],
  ]
  for (const name of ['slack', 'teams', 'mattermost', 'webhook-out'])
    for (const [what, answer] of answers)
      test(`by ${name} when it ${what}`, async () => {
        const { url } = await receiver(answer)
        const connector = await load(name)
        const given = {
          url: `${url}?sig=sig%C3%A9S0SECRET`,
          ...(name === 'webhook-out' && { secret }),
        }
        const publisher = connector.publisher?.(connector.settings.parse(given))
        assert.ok(publisher)
        const problem = await problemOf(publisher.publish([notice(1)], never))
        const shown = `${problem.stack} ${JSON.stringify(problem)} ${String(problem.cause)}`
        assert.doesNotMatch(shown, /[TBS]0SECRET|whsec_/)
      })

  for (const name of ['slack', 'teams', 'mattermost', 'webhook-out'])
    test(`by ${name} when its settings are wrong`, async () => {
      const connector = await load(name)
      for (const url of ['http://192.0.2.1/T0SECRET', 'T0SECRET', undefined])
        assert.throws(
          () => connector.publisher?.(connector.settings.parse({ url })),
          (error) => {
            assert.ok(error instanceof Problem)
            assert.equal(error.code, 'setting_invalid')
            assert.doesNotMatch(JSON.stringify(error), /T0SECRET/)
            return true
          },
        )
    })
})

for (const name of ['slack', 'teams', 'mattermost'])
  test(`${name} is posted one message for the notices`, async () => {
    const { got, url } = await receiver(status(200, {}, 'ok'))
    const connector = await load(name)
    const publisher = connector.publisher?.(connector.settings.parse({ url }))
    await publisher?.publish([notice(1), notice(2)], never)
    assert.equal(got.length, 1)
    assert.equal(got[0]?.path, '/hooks/T0SECRET/B0SECRET')
    JSON.parse(got[0]?.body ?? '')
  })

const evil = 'a <!channel> & <https://evil.example|click> *b* _c_ [d](http://e) @all `f` ~g~'

describe('a message in Slack', () => {
  test('is a header, the text and a button for each answer, with the title for notifications', () => {
    assert.deepEqual(slackMessage([notice(1, { answers: [approve] })]), {
      text: 'Waits for a person: block 203.0.113.7?',
      blocks: [
        {
          type: 'header',
          text: {
            type: 'plain_text',
            text: 'Waits for a person: block 203.0.113.7?',
            emoji: false,
          },
        },
        {
          type: 'section',
          text: { type: 'mrkdwn', text: notice(1).text, verbatim: true },
        },
        {
          type: 'actions',
          elements: [
            {
              type: 'button',
              text: { type: 'plain_text', text: 'Approve', emoji: false },
              url: approve.url,
            },
          ],
        },
      ],
      unfurl_links: false,
      unfurl_media: false,
    })
  })

  test('calls nobody and links nowhere by what an attacker chose', () => {
    const text = JSON.stringify(slackMessage([notice(1, { title: 'x', text: evil })]))
    assert.doesNotMatch(text, /[<>]/)
    assert.match(text, /&lt;!channel&gt; &amp;/)
  })

  test('stays within the limits of Slack for any number of the longest notices', () => {
    const long = '&'.repeat(4_000)
    const many = Array.from({ length: 200 }, (_, i) =>
      notice(i, { title: '<'.repeat(200), text: long, answers: [approve] }),
    )
    const { blocks } = slackMessage(many) as { blocks: { text?: { text: string } }[] }
    assert.ok(blocks.length <= 50)
    for (const block of blocks) assert.ok((block.text?.text.length ?? 0) <= 3_000)
    for (const block of blocks.slice(1))
      assert.doesNotMatch(block.text?.text ?? '', /&(?!amp;|lt;|gt;)/)
  })
})

describe('a message in Teams', () => {
  test('is an Adaptive Card in the envelope that workflows take, with a button for each answer', () => {
    const run = (text: string, more = {}) => ({
      type: 'RichTextBlock',
      inlines: [{ type: 'TextRun', text, ...more }],
    })
    assert.deepEqual(teamsMessage([notice(1, { answers: [approve] })]), {
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          contentUrl: null,
          content: {
            $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
            type: 'AdaptiveCard',
            version: '1.4',
            msteams: { width: 'Full' },
            body: [
              run('Waits for a person: block 203.0.113.7?', { size: 'Large', weight: 'Bolder' }),
              run('Asked: whether to block 203.0.113.7.'),
              run('See: cordon decision show d-4x7k2m9qz1hb0wfa'),
            ],
            actions: [{ type: 'Action.OpenUrl', title: 'Approve', url: approve.url }],
          },
        },
      ],
    })
  })

  test('holds no block whose Markdown would be read', () => {
    const text = JSON.stringify(teamsMessage([notice(1, { text: evil })]))
    assert.doesNotMatch(text, /"TextBlock"/)
  })

  test('is never larger than Teams takes', () => {
    const many = Array.from({ length: 200 }, (_, i) =>
      notice(i, { title: 'é'.repeat(200), text: 'é'.repeat(4_000), answers: [approve] }),
    )
    for (const notices of [many, many.slice(0, 1), many.slice(0, 60)]) {
      const text = JSON.stringify(teamsMessage(notices))
      assert.ok(Buffer.byteLength(text) <= 28_000)
      assert.ok(notices.length === 1 || text.includes(`(and ${notices.length - 1} more)`))
    }
  })
})

describe('a message in Mattermost', () => {
  test('is an attachment a notice, coloured by its urgency, with links to answer', () => {
    assert.deepEqual(
      mattermostMessage([
        notice(1, { title: 'A block', text: 'One line', answers: [approve] }),
        notice(2, { title: 'Another', text: 'Two', urgency: 'low' }),
      ]),
      {
        text: 'A block \\(and 1 more\\)',
        attachments: [
          {
            fallback: 'A block',
            color: '#c9302c',
            title: 'A block',
            text: 'One line\n\n[Approve](https://cordon.example.org/answer/secret-one)',
          },
          { fallback: 'Another', color: '#8a8a8a', title: 'Another', text: 'Two' },
        ],
      },
    )
  })

  test('calls nobody, links nowhere and marks nothing up by what an attacker chose', () => {
    const message = mattermostMessage([notice(1, { title: 'x', text: evil })])
    const { attachments } = message as { attachments: { text: string }[] }
    const text = attachments[0]?.text ?? ''
    assert.doesNotMatch(text, /[<>]|@all|(?<!\\)[*_[\]`~]/)
  })
})

test('a digest says in its title how many there are, also of those that are only counted', () => {
  const rest = notice(3, {
    event: 'notice.more',
    title: 'and 9950 more',
    details: { count: 9_950 },
  })
  const { text } = slackMessage([notice(1), notice(2), rest]) as { text: string }
  assert.equal(text, 'Waits for a person: block 203.0.113.7? (and 9951 more)')
})
