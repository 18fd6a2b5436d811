/** The connectors over HTTP: what is answered is what the document of the API says, field by field. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { openTestService, record } from '../service.ts'

async function open(t: TestContext) {
  const service = await openTestService()
  t.after(() => service.close())
  const line = { connector: 'wazuh', records: 7, refused: 1, last: '2026-03-01T02:59:00.000Z' }
  const trouble = { problem: 'may not read it', code: 'no_privilege', remedy: 'let me' } as const
  service.flow.followed.push(
    { ...line, source: 'wazuh:/one', state: 'following' },
    { ...line, source: 'wazuh:/two', state: 'failing', ...trouble },
  )
  return service
}

describe('the connectors over HTTP', () => {
  test('are listed with what they are for and how each part fares', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.7'))
    const { status, text } = await service.ask('GET', '/v1/connectors')
    assert.equal(status, 200)
    const { connectors, sources } = JSON.parse(text)
    const of = (name: string) => connectors.find((one: { name: string }) => one.name === name)
    assert.deepEqual(of('webhook'), {
      name: 'webhook',
      title: 'Any webhook',
      path: '/v1/alerts/webhook',
      abilities: ['records'],
      health: [
        {
          part: 'POST /v1/alerts/webhook',
          state: 'ready',
          taken: 1,
          last: '2026-03-01T03:00:00.000Z',
        },
      ],
    })
    assert.deepEqual(
      of('wazuh').health.map(({ part, state }: Record<string, string>) => [part, state]),
      [
        ['POST /v1/alerts/wazuh', 'ready'],
        ['wazuh:/one', 'following'],
        ['wazuh:/two', 'failing'],
      ],
    )
    assert.equal(sources[1].remedy, 'let me')
  })

  test('are tried by their name, and a part that fails is a finding with its own code', async (t) => {
    const service = await open(t)
    const { status, text } = await service.ask('POST', '/v1/connectors/wazuh/test', { body: {} })
    assert.equal(status, 200)
    const { works, findings } = JSON.parse(text)
    assert.equal(works, false)
    assert.equal(
      findings[1].found,
      'following; 7 taken since the start, 1 refused, last 2026-03-01T02:59:00.000Z',
    )
    assert.deepEqual(
      [findings[2].what, findings[2].problem.code, findings[2].problem.remedy],
      ['wazuh:/two', 'no_privilege', 'let me'],
    )
  })

  test('are tried by administrators only, and one that does not run is not found', async (t) => {
    const service = await open(t)
    const path = '/v1/connectors/suricata/test'
    const token = await service.token(['read', 'review', 'ingest'])
    assert.equal((await service.ask('POST', path, { token })).status, 403)
    assert.equal((await service.ask('POST', path, { token: null })).status, 401)
    assert.equal((await service.ask('POST', path)).status, 200)
    const { status, body } = await service.ask('POST', '/v1/connectors/suricat/test')
    assert.equal(status, 404)
    assert.match(body.remedy ?? '', /^did you mean suricata\?/)
  })
})
