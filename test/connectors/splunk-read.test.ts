/** What is read in a row of Splunk, beyond the samples: several values, secrets, and what is a repeat. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { load, now } from './samples.ts'

const connector = await load('splunk')
const minute = 60_000

function read(record: unknown, at = now) {
  return connector.read?.(record, { settings: connector.settings.parse({}), now: at }) ?? []
}
function attackers(result: object) {
  return read({ search_name: 'x', sid: '1', result }).map(({ attacker }) => attacker)
}

describe('values of a field', () => {
  test('may be an array, lines, or hidden beside it', () => {
    const two = ['203.0.113.7', '203.0.113.8']
    assert.deepEqual(attackers({ src: two }), two)
    assert.deepEqual(attackers({ src: two.join('\n') }), two)
    assert.deepEqual(
      attackers({ src: two.join(' '), __mv_src: '$203.0.113.7$;$203.0.113.8$' }),
      two,
    )
    assert.deepEqual(attackers({ src: '203.0.113.7', __mv_src: '' }), ['203.0.113.7'])
  })

  test('keep a dollar and a semicolon of their own', () => {
    const user = (text: string) =>
      read({ search_name: 'x', result: { __mv_user: text, user: 'x' } })[0]?.user
    assert.equal(user('$a$$b;c$;$d$'), 'a$b;c')
  })

  test('are found under the name of a data model', () => {
    assert.deepEqual(attackers({ 'Authentication.src': '203.0.113.7' }), ['203.0.113.7'])
    assert.deepEqual(attackers({ 'All_Traffic.src_ip': '203.0.113.7' }), ['203.0.113.7'])
    assert.deepEqual(attackers({ 'count.of.src': '203.0.113.7' }), [undefined])
  })
})

describe('an alert action is handed secrets', () => {
  const payload = {
    session_key: 'very-secret',
    configuration: { field: 'offender', token: 'also-secret' },
    sid: '1',
    search_name: 'x',
    result: { offender: '203.0.113.7', src: '203.0.113.8' },
  }

  test('that are not kept with the alert, parsed or as text', () => {
    for (const record of [payload, JSON.stringify(payload)])
      for (const { original } of read(record)) {
        assert.doesNotMatch(original, /secret/)
        assert.match(original, /203\.0\.113\.7/)
      }
  })

  test('and the field that its form names counts first', () => {
    assert.equal(read(payload)[0]?.attacker, '203.0.113.7')
  })
})

describe('a repeat is recognised by its id', () => {
  const idOf = (record: unknown, at = now) => read(record, at)[0]?.id
  const pushed = {
    search_name: 'x',
    sid: 'scheduler_1',
    result: { src: '203.0.113.7', count: '9' },
  }

  test('a row that is posted again is the same, and that of another run is not', () => {
    assert.equal(idOf(pushed), idOf(structuredClone(pushed), now + 60 * minute))
    assert.notEqual(idOf(pushed), idOf({ ...pushed, sid: 'scheduler_2' }))
    assert.notEqual(idOf(pushed), idOf({ ...pushed, result: { ...pushed.result, count: '10' } }))
  })

  test('an indexed event is the same in every run, wherever it stands in it', () => {
    const event = (serial: string) => ({
      search_name: 'x',
      earliest: Number(serial),
      result: { src: '203.0.113.7', _bkt: 'main~1~A', _cd: '1:2', _serial: serial },
    })
    assert.equal(idOf(event('1')), idOf(event('2')))
    assert.notEqual(idOf(event('1')), idOf({ ...event('1'), search_name: 'y' }))
  })

  test('a notable event is the same whoever hands it on', () => {
    const notable = { event_id: 'A@@notable@@1', rule_name: 'r', src: '203.0.113.7' }
    assert.equal(
      idOf({ search_name: 'x', sid: '1', result: notable }),
      idOf({ search_name: 'y', sid: '2', result: notable }),
    )
  })
})

describe('what is no result', () => {
  test('of a search is nothing', () => {
    assert.deepEqual(read({ preview: true, result: { src: '203.0.113.7' } }), [])
    assert.deepEqual(read({ preview: false, lastrow: true }), [])
    assert.deepEqual(read({ messages: [{ type: 'INFO', text: 'x' }] }), [])
  })

  test('of Splunk is refused', () => {
    assert.throws(() => read({ src: '203.0.113.7' }), {
      code: 'invalid_input',
      message: 'the record has no result',
    })
  })
})

test('a name in src names nobody, and an address beside it does', () => {
  assert.deepEqual(attackers({ src: 'pc-7.example.org' }), [undefined])
  assert.deepEqual(attackers({ src: 'pc-7', src_ip: '203.0.113.7' }), ['203.0.113.7'])
})
