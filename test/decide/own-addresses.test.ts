/** What is never blocked because the service would cut itself off. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownAddresses } from '../../actions/own-addresses.ts'

const none = () => ({})

test('the address under which the service is reached is its own, also when no interface has it', () => {
  assert.deepEqual(ownAddresses(() => 0, 'https://198.51.100.7:8055', none)(), ['198.51.100.7'])
  assert.deepEqual(ownAddresses(() => 0, 'https://[2001:db8::7]/', none)(), ['2001:db8::7'])
  assert.deepEqual(ownAddresses(() => 0, 'https://cordon.example', none)(), [])
})
