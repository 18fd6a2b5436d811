/** The networks of a country, as the database has them: all, merged, in order, of both families. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { compareAddresses, contains, readAddress } from '#contract/address.ts'
import { openCountries } from '../../actions/posture/country-networks.ts'
import { type Entry, writeMmdb } from '../facts/mmdb.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-countries-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'countries.mmdb')
const write = (...entries: Entry[]) => writeFileSync(path, writeMmdb(entries))
const in_ = (network: string, country: string): Entry => [network, { country_code: country }]

test('neighbours become one network, and what lies between stays out', async () => {
  write(
    in_('192.0.2.0/26', 'DE'),
    in_('192.0.2.64/26', 'DE'),
    in_('192.0.2.128/25', 'FR'),
    in_('198.51.100.0/25', 'DE'),
    in_('203.0.113.0/25', 'DE'),
    in_('203.0.113.128/25', 'DE'),
    in_('2001:db8::/33', 'DE'),
    in_('2001:db8:8000::/33', 'DE'),
  )
  const { networks } = await openCountries({ country: path }).networks(['DE', 'FR', 'QQ'])
  const texts = (code: string) => networks.get(code)?.map(({ text }) => text)
  assert.deepEqual(texts('DE'), [
    '192.0.2.0/25',
    '198.51.100.0/25',
    '203.0.113.0/24',
    '2001:db8::/32',
  ])
  assert.deepEqual(texts('FR'), ['192.0.2.128/25'])
  assert.deepEqual(texts('QQ'), [])
})

test('another file is read anew, the same one is not', async () => {
  write(in_('192.0.2.0/24', 'DE'))
  const countries = openCountries({ country: path })
  const first = await countries.networks(['DE'])
  assert.equal((await countries.networks(['DE'])).networks.get('DE'), first.networks.get('DE'))
  write(in_('198.51.100.0/24', 'DE'))
  utimesSync(path, 1, 1)
  const { networks } = await countries.networks(['DE'])
  assert.deepEqual(
    networks.get('DE')?.map(({ text }) => text),
    ['198.51.100.0/24'],
  )
})

test('a file that is none is a problem', async () => {
  writeFileSync(join(folder, 'none.mmdb'), 'nothing')
  await assert.rejects(openCountries({ country: join(folder, 'none.mmdb') }).networks(['DE']))
  await assert.rejects(openCountries({ country: join(folder, 'absent.mmdb') }).networks(['DE']))
})

test('the database that comes along agrees with itself, address by address', async () => {
  const { openPlaces } = await import('../../actions/facts/places/places.ts')
  const { pino } = await import('pino')
  const places = openPlaces({}, { now: () => 0, log: pino({ level: 'silent' }) })
  await places.look()
  const { networks } = await openCountries({}).networks(['LI', 'IS'])
  for (const [code, all] of networks) {
    assert.ok(all.length > 50)
    for (const [at, network] of all.entries()) {
      const before = all[at - 1]
      if (before) {
        assert.ok(compareAddresses(before, network) < 0)
        assert.equal(contains(before, network), false)
      }
      assert.equal(places.of(network).country, code, network.text)
    }
  }
  const home = networks.get('LI')?.[0] ?? readAddress('192.0.2.1')
  assert.equal(
    networks.get('IS')?.some((one) => contains(one, home)),
    false,
  )
  places.close()
})
