/** The demo's network: this namespace is the service and the router between three nodes and the clients. */
import { execFileSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { privateFolder } from './private.ts'

export type Place = { name: string; namespace: string; address4: string; address6: string }

export const service = { address4: '192.0.2.1', address6: '2001:db8:1::1', port: 8055 } as const

export const nodes: readonly Place[] = [1, 2, 3].map((number) => ({
  name: `web-${number}`,
  namespace: join(privateFolder, `web-${number}`),
  address4: `192.0.2.${10 + number}`,
  address6: `2001:db8:1::${10 + number}`,
}))

export const attacker = {
  address4: '203.0.113.66',
  address6: '2001:db8:bad::66',
  network6: '2001:db8:bad::/64',
  /** It may use any of its network. */
  hopping: Array.from(
    { length: 4 },
    (_, number) => `2001:db8:bad::${(102 + 7 * number).toString(16)}`,
  ),
} as const

/** The next address of the same provider, and the next network. */
export const visitor = { address4: '203.0.113.67', address6: '2001:db8:bad:1::67' } as const

export const clientNamespace = join(privateFolder, 'clients')

/** All of them at once in one shell: starting `ip` some thirty times is what takes the time. */
export function buildNetwork(): void {
  const clients = ['203.0.113.64/29', attacker.network6, '2001:db8:bad:1::/64']
  const script = [
    `ip addr add ${service.address4}/32 dev lo`,
    `ip addr add ${service.address6}/128 dev lo nodad`,
    ...nodes.flatMap(({ name, namespace, address4, address6 }) =>
      joined(name, namespace, [`${address4}/32`, `${address6}/128`]),
    ),
    ...joined('clients', clientNamespace, clients),
  ]
  execFileSync('sh', ['-c', script.join('\n').replace(/^/, 'set -e\n')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** What the kernel calls them, to see afterwards that they are gone. */
export function namespaceIds(): string[] {
  return [
    readlinkSync('/proc/self/ns/net'),
    readlinkSync('/proc/self/ns/mnt'),
    readlinkSync('/proc/self/ns/pid'),
  ]
}

/** Both ends share one hardware address and ask nobody for it, so that no packet waits for a neighbour. */
function joined(name: string, namespace: string, owned: readonly string[]): string[] {
  const there = `nsenter --net=${namespace} `
  const up = (device: string) => `ip link set ${device} address 02:00:00:00:00:01 arp off up`
  return [
    `touch ${namespace}`,
    `unshare --net=${namespace} true`,
    `ip link add ${name} type veth peer name eth0 netns ${namespace}`,
    up(name),
    ...owned.map((network) => `ip route add ${network} dev ${name}`),
    `${there}sh -ec '${[
      'ip link set lo up',
      up('eth0'),
      ...owned.map((network) =>
        /\/(32|128)$/.test(network)
          ? `ip addr add ${network} dev eth0${network.includes(':') ? ' nodad' : ''}`
          : `ip route add local ${network} dev lo`,
      ),
      'echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind',
      'echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind',
      'ip route add default dev eth0',
      'ip -6 route add default dev eth0',
    ].join('; ')}'`,
  ]
}
