/** Country, city, network owner and anonymity, from files of several makers that come, change and break. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pino } from 'pino'
import { readAddress } from '#contract/address.ts'
import { openPlaces, type Places } from '../../actions/facts/places/places.ts'
import { PlacesSettings } from '../../actions/facts/places/settings.ts'
import { type Entry, writeMmdb } from './mmdb.ts'

const dir = mkdtempSync(join(tmpdir(), 'cordon-places-'))
const opened: Places[] = []
after(() => {
  for (const places of opened) places.close()
  rmSync(dir, { recursive: true })
})

const built = 1_767_225_600
const now = () => (built + 86_400) * 1_000
let files = 0

/** Replaced as tools do: a new file takes the name. */
function put(path: string, bytes: Uint8Array): string {
  writeFileSync(`${path}.new`, bytes)
  renameSync(`${path}.new`, path)
  return path
}

const fresh = () => join(dir, `${files++}.mmdb`)
const database = (entries: readonly Entry[]) => put(fresh(), writeMmdb(entries, { built }))

async function open(settings: Record<string, string>): Promise<Places> {
  const places = openPlaces(PlacesSettings.parse(settings), { now, log: pino({ level: 'silent' }) })
  opened.push(places)
  await places.look()
  return places
}

const of = (places: Places, text: string) => places.of(readAddress(text))
const flat: Entry[] = [
  ['203.0.113.0/24', { country_code: 'DE' }],
  ['2001:db8::/32', { country_code: 'NL' }],
]
const nested: Entry[] = [
  ['203.0.113.0/24', { country: { iso_code: 'FR', geoname_id: 1 }, continent: { code: 'EU' } }],
  ['198.51.100.0/24', { registered_country: { iso_code: 'SE' } }],
]

describe('what a database says', () => {
  test('the countries that come with Cordon answer without any setting', async () => {
    const places = await open({})
    assert.match(of(places, '8.8.8.8').country, /^[A-Z]{2}$/)
    assert.match(of(places, '2001:4860:4860::8888').country, /^[A-Z]{2}$/)
    const [state, ...others] = places.sources()
    assert.deepEqual([state?.name, state?.state, others.length], ['country', 'ready', 0])
  })
  test('flat records and the nested ones of MaxMind give the same country', async () => {
    const byFlat = await open({ country: database(flat) })
    assert.equal(of(byFlat, '203.0.113.7').country, 'DE')
    const byNested = await open({ country: database(nested) })
    assert.equal(of(byNested, '203.0.113.7').country, 'FR')
    assert.equal(of(byNested, '198.51.100.1').country, 'SE')
  })
  test('IPv6, and IPv4 written as IPv6, are found', async () => {
    const places = await open({ country: database(flat) })
    assert.equal(of(places, '2001:db8::7').country, 'NL')
    assert.equal(of(places, '::ffff:203.0.113.7').country, 'DE')
  })
  test('a network is where its first address is', async () => {
    const places = await open({ country: database(flat) })
    assert.equal(of(places, '203.0.113.0/25').country, 'DE')
    assert.equal(of(places, '2001:db8::/48').country, 'NL')
  })
  test('an address that no record holds is unknown, and the source is ready all the same', async () => {
    const place = of(await open({ country: database(flat) }), '192.0.2.1')
    assert.deepEqual([place.country, place.ready.country, place.ready.asn], ['', true, false])
  })
  test('city, network owner and anonymity come from their own files', async () => {
    const places = await open({
      country: database(flat),
      city: database([
        ['203.0.113.0/24', { city: { names: { en: 'Lyon' } }, country: { iso_code: 'FR' } }],
      ]),
      asn: database([
        [
          '203.0.113.0/24',
          { autonomous_system_number: 64_500, autonomous_system_organization: 'Example Net' },
        ],
      ]),
      anonymous: database([
        ['203.0.113.0/25', { is_anonymous: true, is_tor_exit_node: true, is_anonymous_vpn: true }],
        [
          '203.0.113.128/25',
          { is_anonymous: true, is_public_proxy: true, is_hosting_provider: true },
        ],
      ]),
    })
    assert.deepEqual(of(places, '203.0.113.7'), {
      country: 'DE',
      city: 'Lyon',
      asn: 64_500,
      as_owner: 'Example Net',
      anonymous: ['vpn', 'tor'],
      ready: { country: true, city: true, asn: true, anonymous: true },
    })
    assert.deepEqual(of(places, '203.0.113.200').anonymous, ['hosting', 'proxy'])
  })
  test('a file with cities leads the countries that come with Cordon', async () => {
    const places = await open({ city: database([['8.8.8.0/24', { country: { iso_code: 'AQ' } }]]) })
    assert.equal(of(places, '8.8.8.8').country, 'AQ')
    assert.notEqual(of(places, '1.1.1.1').country, '')
  })
  test('a network owner that is written as text is read as a number', async () => {
    const places = await open({
      asn: database([['203.0.113.0/24', { asn: 'AS64501', name: 'Example' }]]),
    })
    const { asn, as_owner } = of(places, '203.0.113.7')
    assert.deepEqual([asn, as_owner], [64_501, 'Example'])
  })
  test('the age is that of the data, not of the file', async () => {
    const places = await open({ country: database(flat) })
    assert.equal(places.sources()[0]?.age, 86_400_000)
  })
})

describe('files that break', () => {
  const silent = async (path: string) => {
    const places = await open({ country: path })
    assert.deepEqual(
      [of(places, '203.0.113.7').country, of(places, '203.0.113.7').ready.country],
      ['', false],
    )
    return places.sources()[0]
  }
  test('a missing file is silent, and is read once it is there', async () => {
    const path = fresh()
    const places = await open({ country: path })
    assert.equal(places.sources()[0]?.problem?.code, 'not_found')
    put(path, writeMmdb(flat))
    await places.look()
    assert.equal(of(places, '203.0.113.7').country, 'DE')
    assert.equal(places.sources()[0]?.problem, undefined)
  })
  test('a file that is cut anywhere is refused', async () => {
    const whole = writeMmdb(flat)
    for (const keep of [0, 1, 100, whole.length >> 1, whole.length - 100, whole.length - 1]) {
      const state = await silent(put(fresh(), whole.subarray(0, keep)))
      assert.equal(state?.problem?.code, 'invalid_input', `${keep} of ${whole.length} bytes`)
    }
  })
  test('a file whose middle is missing is refused', async () => {
    const whole = writeMmdb(flat)
    const holed = Buffer.concat([whole.subarray(0, 60), whole.subarray(120)])
    assert.equal((await silent(put(fresh(), holed)))?.problem?.code, 'invalid_input')
  })
  test('a file of another kind is refused: cities do not come from network owners', async () => {
    const asn = database([['8.0.0.0/8', { autonomous_system_number: 64_500 }]])
    assert.equal((await silent(asn))?.problem?.code, 'invalid_input')
  })
  test('text that is no database is refused', async () => {
    const state = await silent(put(fresh(), Buffer.from('<html>please log in</html>')))
    assert.match(state?.problem?.detail ?? '', /no database with countries/)
  })
  test('a file that is replaced while running answers with what is new', async () => {
    const path = database(flat)
    const places = await open({ country: path })
    put(path, writeMmdb([['203.0.113.0/24', { country_code: 'ES' }]]))
    assert.equal(of(places, '203.0.113.7').country, 'DE')
    await places.look()
    assert.equal(of(places, '203.0.113.7').country, 'ES')
  })
  test('a file that is replaced by a cut one leaves the last good one in force, and says so', async () => {
    const path = database(flat)
    const places = await open({ country: path })
    put(path, writeMmdb(nested).subarray(0, 200))
    await places.look()
    await places.look()
    const [state] = places.sources()
    assert.deepEqual([state?.state, state?.problem?.code], ['ready', 'invalid_input'])
    assert.equal(of(places, '203.0.113.7').country, 'DE')
    put(path, writeMmdb(nested))
    await places.look()
    assert.equal(of(places, '203.0.113.7').country, 'FR')
    assert.equal(places.sources()[0]?.problem, undefined)
  })
  test('a file that is removed while running leaves what was read in force, and says so', async () => {
    const path = database(flat)
    const places = await open({ country: path })
    rmSync(path)
    await places.look()
    const [state] = places.sources()
    assert.deepEqual([state?.state, state?.problem?.code], ['ready', 'not_found'])
  })
  test('a record that is damaged makes the source silent for that address alone', async () => {
    const whole = writeMmdb([...flat, ['198.51.100.0/24', { country_code: 'XX' }]])
    // The last XX becomes a value of a type that does not exist.
    const at = whole.lastIndexOf('XX') - 1
    whole[at] = 0
    whole[at + 1] = 0xff
    const places = await open({ country: put(fresh(), whole) })
    assert.equal(of(places, '198.51.100.1').ready.country, false)
    assert.equal(of(places, '203.0.113.7').country, 'DE')
    assert.equal(places.sources()[0]?.state, 'ready')
    assert.notEqual(places.sources()[0]?.problem, undefined)
  })
})
