/** What is configured in TheHive for Cordon, held against TheHive's events and Cordon's API. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { ManifestFile } from '../../actions/manifest/manifest-file.ts'
import { noticeType, reviewType, tags } from '../../connectors/thehive/alert.ts'
import { Settings } from '../../connectors/thehive/settings.ts'

const folder = new URL('../../manifests/thehive/', import.meta.url)
const text = (file: string) => readFileSync(new URL(file, folder), 'utf8')
const shared = new URL(
  '../../../shared/contracts/soar-samples/thehive/webhook-v5-alert-status-approved.json',
  import.meta.url,
)
const skip = existsSync(shared) ? false : 'the shared samples are not beside this repository'

const Filter = z.strictObject({
  _and: z.array(z.strictObject({ _is: z.record(z.string(), z.string()) })),
})

/** As the trigger does: a dot goes into an object. */
function passes(event: unknown): boolean {
  const at = (path: string) =>
    path
      .split('.')
      .reduce<unknown>((value, key) => z.looseObject({}).safeParse(value).data?.[key], event)
  return Filter.parse(JSON.parse(text('filtered-event.json')))._and.every(({ _is }) =>
    Object.entries(_is).every(([path, wanted]) => at(path) === wanted),
  )
}

test('the trigger passes changes of our questions and nothing else', () => {
  const sample = new URL('../../connectors/thehive/sample/webhook.in.json', import.meta.url)
  const event = z
    .looseObject({ object: z.looseObject({}) })
    .parse(JSON.parse(readFileSync(sample, 'utf8')))
  assert.equal(passes(event), true)
  assert.equal(passes({ ...event, object: { ...event.object, type: noticeType } }), false)
  assert.equal(passes({ ...event, objectType: 'Observable' }), false)
  assert.equal(passes({ ...event, action: 'create' }), false)
  assert.ok(text('filtered-event.json').includes(`"${reviewType}"`))
})

test('the trigger reads events as TheHive writes them', { skip }, () => {
  const event = z
    .looseObject({ object: z.looseObject({}) })
    .parse(JSON.parse(readFileSync(shared, 'utf8')))
  assert.equal(passes(event), false, 'it is about the question of another product')
  assert.equal(passes({ ...event, object: { ...event.object, type: reviewType } }), true)
})

test('the web hook goes to an operation that Cordon has, with a token of the scope that this needs', () => {
  const manifest = ManifestFile.parse(parse(text('manifest.yaml')))
  const document = z
    .object({ paths: z.record(z.string(), z.looseObject({})) })
    .parse(JSON.parse(readFileSync(new URL('../openapi.json', folder), 'utf8')))
  assert.ok(document.paths['/v1/alerts/{connector}']?.post)
  for (const said of [
    text('endpoint.conf'),
    text('README.md'),
    ...(manifest.parts.main?.next ?? []),
  ])
    if (said.includes('/v1/')) assert.match(said, /\/v1\/alerts\/thehive\b/)
  assert.deepEqual(manifest.token?.scopes, ['ingest'])
  assert.ok(!/key:\s*"/.test(text('endpoint.conf')), 'no token is kept in a file of the manifest')
})

test('the page names the tags, statuses and settings that there are, and is one page', () => {
  const page = text('README.md')
  for (const tag of [tags.approve, tags.decline]) assert.ok(page.includes(`\`${tag}\``))
  const { approve_statuses, decline_statuses } = Settings.parse({
    url: 'https://thehive.example',
    organisation: 'SOC',
  })
  for (const status of [approve_statuses[0], decline_statuses[0]])
    assert.ok(page.includes(`\`${status}\``))
  assert.ok(page.split('\n').length <= 60)
})
