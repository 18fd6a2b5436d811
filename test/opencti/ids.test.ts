/** Ids of STIX objects, against those that the vendor's own library computes. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import {
  addressId,
  autonomousSystemId,
  identityId,
  locationId,
  noteId,
  relationshipId,
  sightingId,
  stixId,
} from '../../connectors/opencti/stix/id.ts'

const file = fileURLToPath(
  new URL('../../../shared/contracts/opencti-samples/ids/vectors.json', import.meta.url),
)
const skip = existsSync(file) ? false : `the vendor's vectors are not at ${file}`

const Vectors = z.array(
  z.object({
    kind: z.string(),
    input: z.record(z.string(), z.unknown()),
    canonical: z.string().nullable(),
    id: z.string(),
  }),
)
const Contributing = z.record(z.string(), z.union([z.string(), z.number(), z.array(z.string())]))

describe('the id of', () => {
  test('every vector follows from its canonical properties', { skip }, () => {
    const vectors = Vectors.parse(JSON.parse(readFileSync(file, 'utf8')))
    const counted = vectors.filter(({ canonical }) => canonical !== null)
    assert.ok(counted.length > 40)
    for (const { id, canonical } of counted) {
      const type = id.slice(0, id.indexOf('--'))
      assert.equal(stixId(type, Contributing.parse(JSON.parse(canonical ?? '{}'))), id)
    }
  })

  test('an address depends on how it is written, as on the platform', () => {
    assert.equal(addressId('192.0.2.10'), 'ipv4-addr--a2fbe2c6-009e-52e0-b452-90b71e3109c2')
    assert.equal(addressId('203.0.113.0/24'), 'ipv4-addr--a0895f10-d89d-56ad-a4a4-dc873ee08b8c')
    assert.equal(addressId('2001:db8::1'), 'ipv6-addr--6469e3a9-b053-5e34-a025-9396ae051d26')
    assert.equal(addressId('2001:DB8::1'), 'ipv6-addr--3178e165-3520-5f1a-a9f9-35481ed6f786')
  })

  test('an identity, a country and a note', () => {
    assert.equal(
      identityId('  ACME soc ', 'organization'),
      'identity--fe142a59-b612-562e-91d9-cd8e3bae8e50',
    )
    assert.equal(locationId('France', 'Country'), 'location--b8d0549f-de06-5ebd-a6e9-d31a581dba5d')
    assert.equal(
      noteId('Blocked on 3 nodes', '2026-03-01T10:00:00.000Z'),
      'note--99aac017-0fd6-5b05-a929-4e162ebfdb7d',
    )
  })

  test('an autonomous system is its number, whatever it is called', () => {
    assert.equal(
      autonomousSystemId(64496),
      'autonomous-system--9ad79ee3-2fde-5015-b0cc-7a96404effca',
    )
  })

  test('a relationship and a sighting', () => {
    const indicator = 'indicator--be4dcaed-9f81-52bb-a48a-5e403589a739'
    assert.equal(
      relationshipId('based-on', indicator, addressId('192.0.2.10')),
      'relationship--750d9450-a88a-5e3c-b697-b94b9f71c3f9',
    )
    const ends = {
      sighting_of_ref: indicator,
      where_sighted_refs: [identityId('edge-fw-01', 'system')],
    }
    assert.equal(sightingId(ends), 'sighting--29afe597-77c7-5aa1-88d4-8eac7169d675')
    assert.equal(
      sightingId({
        ...ends,
        first_seen: '2026-03-01T09:00:00.000Z',
        last_seen: '2026-03-01T10:00:00.000Z',
      }),
      'sighting--57202fe8-918f-5b5a-bce6-31a87e663601',
    )
  })
})
