/** Whether everything is there that searches need: the search head, the account, the app, the saved searches. Only reads. */
import type { Finding } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { Clock } from '../clock.ts'
import { openFetch } from '../open-fetch.ts'
import { isObject, textAt, textsAt } from '../read-path.ts'
import { readAccount } from './account.ts'
import { readStart } from './read-start.ts'
import { refused } from './refused.ts'
import type { Settings } from './settings.ts'
import { tokenEnd } from './token-end.ts'
import { tried } from './tried.ts'

const askMs = 30_000
/** Characters: a saved search may be long. */
const longestAnswer = 1_000_000

type Head = { settings: Settings; clock: Clock; signal: AbortSignal }

export async function trySearchHead(head: Head): Promise<Finding[]> {
  const { host, port, app, saved_searches, search, hec_index } = head.settings
  const server = await tried(`search head ${host}, port ${port}`, () => lookAtServer(head))
  if ('problem' in server) return [server]
  const account = await tried('account', () => lookAtAccount(head))
  if ('problem' in account) return [server, account]
  const findings: Finding[] = [server, account]
  if (app !== undefined) findings.push(await tried(`app ${app}`, () => lookAtApp(head, app)))
  if (saved_searches.length === 0 && search === undefined)
    findings.push({ what: 'searches', problem: noSearch() })
  for (const name of saved_searches) {
    const what = `saved search ${printable(name, 100)}`
    findings.push(await tried(what, () => lookAtSearch(head, name)))
  }
  if (hec_index !== undefined)
    findings.push(await tried(`index ${hec_index}`, () => lookAtIndex(head, hec_index)))
  return findings
}

function noSearch(): Problem {
  return new Problem('setting_invalid', 'splunk has a host, and no search to run there', {
    remedy:
      'set CORDON_SPLUNK_SAVED_SEARCHES or CORDON_SPLUNK_SEARCH; where Splunk posts its alerts itself, leave out the host',
  })
}

/** Whoever it is that asks: an answer of any status is one. */
async function lookAtServer(head: Head): Promise<string> {
  const { status, content, json } = await ask(head, 'server/info')
  if (!json)
    throw new Problem('not_found', 'what answers is not the management interface of splunk', {
      remedy: 'set port to that of the management interface, mostly 8089',
    })
  const version = textAt(content, 'version')
  return status === 200 && version ? `it answers, version ${printable(version, 30)}` : 'it answers'
}

async function lookAtAccount(head: Head): Promise<string> {
  const { settings, clock } = head
  const content = await must(head, 'authentication/current-context')
  const may = textsAt(content, 'capabilities')
  if (may.length > 0 && !may.includes('search'))
    throw new Problem('forbidden', 'the account of splunk may not search', {
      remedy: 'give a role of the account the capability search, and the indexes',
    })
  const name = printable(textAt(content, 'username') ?? 'it', 100)
  const end = settings.token === undefined ? undefined : tokenEnd(settings.token)
  if (end === undefined) return `${name} is let in`
  const days = Math.max(0, Math.floor((end - clock.now()) / 86_400_000))
  return `${name} is let in; its token ends at ${printTime(end)}, in ${days} days`
}

async function lookAtApp(head: Head, app: string): Promise<string> {
  const content = await must(head, `apps/local/${encodeURIComponent(app)}`, {
    message: `splunk shows the account no app ${app}`,
    remedy: 'check app of splunk (its folder, not its title), and who may read it',
  })
  if (isOn(content, 'disabled'))
    throw new Problem('not_found', `the app ${app} is disabled in splunk`, {
      remedy: 'enable it: Apps > Manage Apps',
    })
  return 'it is there'
}

async function lookAtSearch(head: Head, name: string): Promise<string> {
  const { app } = head.settings
  const where = app === undefined ? 'the app that the account begins in' : `app ${app}`
  const path = `saved/searches/${encodeURIComponent(name)}`
  const content = await must(head, path, {
    message: `splunk shows the account no saved search of this name in ${where}`,
    remedy: 'check its name, app of splunk, and that the search is shared in the app or globally',
  })
  return isOn(content, 'disabled')
    ? 'it is there; Splunk itself does not run it, for it is disabled'
    : 'it is there'
}

/** Indexers that stand apart may have an index that the search head does not know. */
async function lookAtIndex(head: Head, index: string): Promise<string> {
  const { status } = await ask(head, `data/indexes/${index}`)
  return status === 200
    ? 'the search head has it; whether the token may write to it, the first result tells'
    : 'the search head does not know it or does not tell; the first result tells whether indexers do'
}

async function must(
  head: Head,
  path: string,
  missing?: { message: string; remedy: string },
): Promise<unknown> {
  const { status, content, body } = await ask(head, path)
  if (status === 200) return content
  if (status === 404 && missing) throw new Problem('not_found', missing.message, missing)
  throw refused(status, body, head.settings, head.clock.now())
}

type Answered = { status: number; body: string; json: boolean; content: unknown }

async function ask({ settings, signal }: Head, path: string): Promise<Answered> {
  const { authorization, url, appUrl } = readAccount(settings)
  const place = path.startsWith('saved/') ? appUrl(path) : url(path)
  const answer = await openFetch(settings.ca)(`${place}?output_mode=json`, {
    headers: { authorization },
    signal: AbortSignal.any([signal, AbortSignal.timeout(askMs)]),
  })
  const body = await readStart(answer, longestAnswer)
  const value = parse(body)
  const entries = isObject(value) && Array.isArray(value.entry) ? value.entry : []
  const entry: unknown = entries[0]
  const content = isObject(entry) ? entry.content : undefined
  return { status: answer.status, body, json: isObject(value), content }
}

function isOn(content: unknown, key: string): boolean {
  const value = isObject(content) ? content[key] : undefined
  return value === true || value === 1 || value === '1'
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
