/** Connectors are found by their folders, and a module that is none is said to be none. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { loadConnectors, readConnector } from '../../actions/load-connectors.ts'

const connector = { name: 'x', title: 'X', settings: z.strictObject({}), read: () => [] }

test('a module that exports no whole connector is refused by its file', () => {
  const { read: _, ...blind } = connector
  for (const module of [
    {},
    { connector: null },
    { connector: blind },
    { connector: { ...connector, settings: {} } },
    { default: connector },
  ])
    assert.throws(() => readConnector(module, 'x'), {
      code: 'setting_invalid',
      message: 'connectors/x/connector.ts exports no connector',
    })
  assert.equal(readConnector({ connector }, 'x').name, 'x')
})

describe('names of another script are understood where ours are not set', () => {
  const environment = {
    SPLUNK_HOST: 'splunk.example.org',
    SPLUNK_PORT: '8090',
    SPLUNK_USER: 'soar',
    SPLUNK_PASSWORD: 'one',
    VIRUSTOTAL_API_KEY: 'two',
    SMTP_SERVER: 'mail.example.org',
    SMTP_PORT: '587',
    SMTP_USER: 'cordon',
    SMTP_PASSWORD: 'three',
    SSH_HOST: 'router.example.org',
    SSH_USER: 'root',
    SSH_PASSWORD: 'four',
  }
  const names = ['splunk', 'virustotal', 'email']
  const settingsOf = async (sections: Parameters<typeof loadConnectors>[1], more = {}) => {
    const running = await loadConnectors(names, sections, { ...environment, ...more })
    return names.map((name) => z.looseObject({}).parse(running.get(name)?.settings))
  }

  test('of the seed’s Splunk script, all but those of SSH, which nothing here needs', async () => {
    const [splunk, virustotal, email] = await settingsOf({})
    assert.deepEqual(
      [splunk?.host, splunk?.port, splunk?.user, splunk?.password],
      ['splunk.example.org', 8090, 'soar', 'one'],
    )
    assert.equal(virustotal?.api_key, 'two')
    assert.deepEqual(
      [email?.host, email?.port, email?.user, email?.password],
      ['mail.example.org', 587, 'cordon', 'three'],
    )
  })

  test('and give way to the settings file and to our own names', async () => {
    const [splunk] = await settingsOf(
      { splunk: { host: 'search.example.org' } },
      { CORDON_SPLUNK_PORT: '8091' },
    )
    assert.deepEqual([splunk?.host, splunk?.port], ['search.example.org', 8091])
  })
})
