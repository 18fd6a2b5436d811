/** The workflows for Shuffle: as Shuffle decodes them, with what the app has, and run against a service. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { record } from '../../service.ts'
import { loadApp } from './load-app.ts'
import { type Listening, openListening } from './open-listening.ts'
import { performWith, standIn } from './perform-action.ts'
import { faults, readWorkflow } from './read-workflow.ts'
import { noPython } from './run-python.ts'
import { runWorkflow } from './run-workflow.ts'

const folder = new URL('../../../manifests/shuffle/', import.meta.url)
const samples = new URL('../../../../shared/contracts/soar-samples/shuffle/', import.meta.url)
const noSamples = existsSync(samples) ? false : 'the samples in ../shared are not here'
const read = (name: string, from = folder) => readFileSync(new URL(name, from), 'utf8')
const app = loadApp(parse(read('app/cordon/1.0.0/api.yaml')))

describe('the workflows', () => {
  const names = readdirSync(new URL('workflows/', folder))
  const workflow = (name: string) => readWorkflow(JSON.parse(read(`workflows/${name}.json`)))
  for (const file of names)
    test(`${file} decodes, and uses only what the app has`, () => {
      assert.deepEqual(faults(workflow(file.replace('.json', '')), app), [])
    })
  test('a workflow with a fault is found out', () => {
    const broken = workflow('unblock')
    const [first] = broken.actions
    assert.ok(first)
    first.name = 'lift_adress'
    broken.branches.push({
      ...broken.branches[0],
      id: first.id,
      source_id: broken.id,
      destination_id: first.id,
      conditions: null,
    })
    assert.deepEqual(faults(broken, app), [
      'the app has no action lift_adress',
      `a branch ends at ${broken.id}, which is nowhere`,
    ])
  })
  test('the public samples decode', { skip: noSamples }, () => {
    for (const name of ['minimal-webhook-block', 'approval-userinput'])
      readWorkflow(JSON.parse(read(`workflows/${name}.json`, samples)))
  })
  describe('run', { skip: noPython }, () => {
    let open: Listening
    before(async () => {
      open = await openListening(['review', 'ingest'])
    })
    after(() => open.close())
    const perform = performWith(standIn, () => ({ url: open.url, api_key: open.token }))
    const run = (name: string, body: object, answer: boolean, asked: string[] = []) =>
      runWorkflow(workflow(name), {
        body,
        perform,
        person: (question) => asked.push(question) > 0 && answer,
      })
    const ordered = async (address: string) =>
      (await open.service.ask('GET', `/v1/why?address=${address}`)).body.ordered

    test('block with approval: blocks on yes, not on no, and does not ask twice', async () => {
      const body = { ip: '192.0.2.40', reason: 'three incidents' }
      await run('block-with-approval', body, false)
      assert.equal(await ordered(body.ip), false)
      const asked: string[] = []
      await run('block-with-approval', body, true, asked)
      assert.equal(await ordered(body.ip), true)
      assert.match(
        asked[0] ?? '',
        /^Block 192\.0\.2\.40 \(three incidents\)\? 192\.0\.2\.40 is not/,
      )
      await run('block-with-approval', body, true, asked)
      assert.equal(asked.length, 1)
    })
    test('unblock: lifts, and looks up what is left', async () => {
      const results = await run('unblock', { ip: '192.0.2.40', reason: 'cleared' }, true)
      assert.equal(await ordered('192.0.2.40'), false)
      assert.match(JSON.stringify(results.get('check')), /192\.0\.2\.40 is not blocked/)
    })
    test('triage: asks about what the policy doubts, and about nothing else', async () => {
      const asked: string[] = []
      await run('triage', record('192.0.2.41', { severity: 90 }), true, asked)
      assert.deepEqual(asked, [])
      assert.equal(await ordered('192.0.2.41'), true)
      await run('triage', record('192.0.2.42', { severity: 50 }), true, asked)
      assert.equal(asked.length, 1)
      assert.equal(await ordered('192.0.2.42'), true)
    })
  })
})
