/** The rules of Shuffle's importer, each by its name: what a document must not do, or what becomes of it if it does. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { importOpenApi } from './import-openapi.ts'

const bearer = { BearerAuth: { type: 'http', scheme: 'bearer' } }
const show = { summary: 'Show decision', responses: {} }
const path = { in: 'path', name: 'id', required: true }

function document(paths: object, more: object = {}, schemes: object = bearer): string {
  return JSON.stringify({
    openapi: '3.0.3',
    info: { title: 'Cordon', version: '1.0.0' },
    servers: [{ url: 'https://cordon.example/base' }, { url: 'https://other.example' }],
    components: { securitySchemes: schemes },
    paths,
    ...more,
  })
}
const one = (operation: object, more: object = {}, schemes: object = bearer) => {
  const [action] = importOpenApi(document({ '/d': { get: operation } }, more, schemes)).actions
  assert.ok(action)
  return action
}
const sent = (operation: object, values = {}, more = {}, schemes: object = bearer) =>
  one(operation, more, schemes).request(values, 'T')

describe('a document is not loaded', () => {
  const schema = (broken: object) => document({}, { components: { schemas: { One: broken } } })
  for (const [why, text] of [
    ['when a type is a list, as in 3.1', schema({ type: ['string', 'null'] })],
    ['when a limit is a number, as in 3.1', schema({ exclusiveMinimum: 1 })],
    ['when it refers into $defs', schema({ $ref: '#/components/schemas/Two/$defs/x' })],
    ['when it refers to another file', schema({ $ref: 'other.json#/One' })],
    ['when a schema is a boolean', document({ '/d': { get: { ...show, schema: true } } })],
    ['when its version is a number', document({}, { info: { title: 'Cordon', version: 1 } })],
    ['when it has no title', document({}, { info: { version: '1' } })],
    [
      'when OAuth 2 is written as the standard says',
      document({}, {}, { Oauth2: { type: 'oauth2', flows: {} } }),
    ],
  ] as const)
    test(why, () => {
      assert.throws(() => importOpenApi(text), /^Error: rule:/)
    })
})

describe('credentials', () => {
  test('of BearerAuth and ApiKeyAuth are sent as they should be', () => {
    assert.deepEqual(sent(show).headers, { authorization: 'Bearer T' })
    const key = { ApiKeyAuth: { type: 'apiKey', in: 'header', name: 'X-Key' } }
    assert.deepEqual(sent(show, {}, {}, key).headers, { 'x-key': 'T' })
  })
  test('of ApiKeyAuth have its description before them', () => {
    const key = { ApiKeyAuth: { type: 'apiKey', in: 'header', name: 'X-Key', description: 'Key ' } }
    assert.deepEqual(sent(show, {}, {}, key).headers, { 'x-key': 'Key T' })
  })
  test('of a scheme with another name are not sent, or under that name', () => {
    const lower = { bearerAuth: { type: 'http', scheme: 'bearer' } }
    assert.deepEqual(sent(show, {}, {}, lower).headers, {})
    const edge = { EdgeKey: { type: 'apiKey', in: 'header', name: 'X-Key' } }
    assert.deepEqual(sent(show, {}, {}, edge).headers, { edgekey: 'T' })
    const cookie = { Session: { type: 'apiKey', in: 'cookie', name: 's' } }
    assert.deepEqual(sent(show, {}, {}, cookie).headers, {})
  })
})

describe('names', () => {
  test('come from the summary, with the method before it unless it is in it', () => {
    assert.equal(one({ ...show, summary: 'Why? (an address)' }).name, 'get_why_an_address')
    assert.equal(one({ ...show, summary: 'Get decision' }).name, 'get_decision')
  })
  test('that are equal make the later operation run under both', () => {
    const twice = document({ '/a': { get: show }, '/b': { get: show } })
    const paths = importOpenApi(twice).actions.map((action) => action.request({}, 'T').path)
    assert.deepEqual(paths, ['/base/b', '/base/b'])
  })
})

describe('what is sent', () => {
  const filled = (route: string, item: object, values: Record<string, string>) =>
    importOpenApi(document({ [route]: item })).actions[0]?.request(values, 'T').path

  test('goes to the path of the first server, with values as they are', () => {
    const item = { get: { ...show, parameters: [path] } }
    assert.equal(filled('/d/{id}', item, { id: '203.0.113.0/24' }), '/base/d/203.0.113.0/24')
  })
  test('fails where a name is no word of Python, or is declared for the path only', () => {
    const dashed = { get: { ...show, parameters: [{ ...path, name: 'the-id' }] } }
    assert.throws(() => filled('/d/{the-id}', dashed, {}), /name 'the' is not defined/)
    const outside = { parameters: [path], get: show }
    assert.throws(() => filled('/d/{id}', outside, {}), /name 'id' is not defined/)
  })
  test('has query parameters renamed when they have a dash, a dot, or are "from"', () => {
    const parameters = ['a-b', 'c.d', 'from'].map((name) => ({ in: 'query', name }))
    const values = { a_b: '1', c_d: '2', from_shuffle: '3' }
    assert.equal(sent({ ...show, parameters }, values).path, '/base/d?a_b=1&c_d=2&from_shuffle=3')
  })
  test('has headers that are the same on every call, and a strange one without an example', () => {
    const parameters = [
      { in: 'header', name: 'Content-Type', example: 'application/json' },
      { in: 'header', name: 'X-Id' },
    ]
    const { authorization: _, ...headers } = sent({ ...show, parameters }).headers
    assert.deepEqual(headers, { 'content-type': 'application/json', 'x-id': '%!s(<nil>)' })
  })
  test('has a body in which every run of white space is one space, and no type of its own', () => {
    const text = document({ '/d': { post: { ...show, requestBody: {} } } })
    const request = importOpenApi(text).actions[0]?.request({ body: '{\n  "a": 1 }' }, 'T')
    assert.equal(request?.body, '{ "a": 1 }')
    assert.equal(request?.headers['content-type'], undefined)
  })
  test('asks for a body only where one is declared as a parameter', () => {
    const asked = { ...show, parameters: [{ in: 'body', name: 'body', required: true }] }
    assert.ok(one(asked).parameters.includes('body*'))
    assert.ok(!one({ ...show, requestBody: {} }).parameters.includes('body*'))
  })
})

test('the version of the app is always the same, and what is not ASCII is dropped', () => {
  const text = document({}, { info: { title: 'Cordon – API', version: '7.0' } })
  const { name, version } = importOpenApi(text)
  assert.deepEqual([name, version], ['Cordon_API', '1.1.0'])
})
