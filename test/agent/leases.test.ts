/** The servers that a machine has its addresses from, as the programs that ask them write them down. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaseServers } from '../../agent/leases.ts'

test('of systemd-networkd: who gave the lease, and whom it names', () => {
  const lease = `# private
ADDRESS=192.0.2.10
NETMASK=255.255.255.0
ROUTER=192.0.2.1
SERVER_ADDRESS=192.0.2.67
DNS=192.0.2.53 198.51.100.53
NTP=192.0.2.123
DOMAINNAME=example.com
`
  assert.deepEqual(leaseServers(lease).sort(), [
    '192.0.2.1',
    '192.0.2.123',
    '192.0.2.53',
    '192.0.2.67',
    '198.51.100.53',
  ])
})

test('of dhclient: those of the newest leases, which stand last', () => {
  const lease = (n: number) => `lease {
  fixed-address 192.0.2.10;
  option routers 192.0.2.${n};
  option dhcp-server-identifier 198.51.100.${n};
  renew 1 2026/03/02 00:00:00;
}
`
  const servers = leaseServers(Array.from({ length: 100 }, (_, n) => lease(n)).join(''))
  assert.ok(servers.includes('198.51.100.99') && servers.includes('192.0.2.99'))
  assert.ok(!servers.includes('198.51.100.1'))
  assert.ok(servers.length <= 16)
})

test('the address that was given is no server, and text that is no lease names none', () => {
  assert.deepEqual(leaseServers('ADDRESS=192.0.2.10\n'), [])
  assert.deepEqual(leaseServers('#!/bin/sh\necho 192.0.2.1\n'), [])
})
