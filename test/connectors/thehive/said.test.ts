/** What people say on an alert, as Cordon reads it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HiveAlert } from '../../../connectors/thehive/alert.ts'
import { saidOn } from '../../../connectors/thehive/said.ts'
import { Settings } from '../../../connectors/thehive/settings.ts'

const settings = Settings.parse({})

function said(given: { tags?: string[]; status?: string }, more = settings) {
  const alert = { _id: '~1', type: 't', source: 's', sourceRef: 'r', stage: 'New', status: 'New' }
  return saidOn(HiveAlert.parse({ ...alert, ...given }), more)
}

describe('an alert', () => {
  test('that nobody touched, or that was closed for another reason, says nothing', () => {
    for (const status of ['New', 'InProgress', 'Imported', 'Ignored', 'Duplicate'])
      assert.equal(said({ status, tags: ['cordon', 'approve', 'cordon:approved'] }), undefined)
  })

  test('says yes or no by tag, however it is spelled', () => {
    assert.deepEqual(said({ tags: ['cordon', ' Cordon:Approve'] }), {
      verb: 'approve',
      how: 'the tag cordon:approve',
    })
    assert.deepEqual(said({ tags: ['cordon:decline'] }), {
      verb: 'decline',
      how: 'the tag cordon:decline',
    })
  })

  test('says yes or no by the statuses that the settings name', () => {
    assert.deepEqual(said({ status: 'Approved' }), { verb: 'approve', how: 'the status Approved' })
    assert.deepEqual(said({ status: 'FalsePositive' }), {
      verb: 'decline',
      how: 'the status FalsePositive',
    })
    const own = Settings.parse({ approve_statuses: ['TruePositive'], decline_statuses: 'Benign' })
    assert.equal(said({ status: 'Approved' }, own), undefined)
    assert.deepEqual(said({ status: 'TruePositive' }, own), {
      verb: 'approve',
      how: 'the status TruePositive',
    })
  })

  test('that says yes and no at once says neither', () => {
    assert.equal(said({ tags: ['cordon:approve', 'cordon:decline'] }), 'both')
    assert.equal(said({ tags: ['cordon:approve'], status: 'FalsePositive' }), 'both')
  })

  test('says nothing any more once it is settled', () => {
    assert.equal(
      said({ tags: ['cordon:settled', 'cordon:approve'], status: 'Approved' }),
      undefined,
    )
  })
})
