/** What a node's own administrator decides; the service cannot change any of it. */
import { z } from 'zod'
import { InterfaceName } from '#contract/action.ts'
import { AddressText } from '#contract/address.ts'
import { Duration } from '#contract/duration.ts'
import {
  type Environment,
  environmentName,
  listOf,
  readSettings,
  refuseUnknownEnvironment,
  Switch,
} from '#contract/settings.ts'

export const prefix = 'CORDON_AGENT_'

export const AgentSettings = z.strictObject({
  state_dir: z
    .string()
    .default('/var/lib/cordon-agent')
    .describe("the node's key, what it trusts, and what it enforces; mode 0700"),
  enforce: Switch.prefault(false).describe('false prints what would be done and touches nothing'),
  backend: z
    .enum(['auto', 'netlink', 'nft', 'ipset', 'dry-run'])
    .default('auto')
    .describe(
      'how the kernel is spoken to: netlink, nft, ipset (with iptables) or dry-run; auto takes the fastest that passes its self-test',
    ),
  ssh: z
    .string()
    .optional()
    .describe('acts for this host instead, as user@host or user@host:port; its nft is used'),
  ssh_key: z
    .string()
    .optional()
    .describe('private key of this agent alone, without a passphrase; with ssh it is required'),
  ssh_known_hosts: z
    .string()
    .optional()
    .describe('file with the key by which that host is known; with ssh it is required'),
  admin_networks: listOf(AddressText)
    .prefault([])
    .describe('hosts and networks of administration, never blocked here'),
  protect_file: z
    .string()
    .optional()
    .describe(
      'file with one host or network a line that is never blocked here; # begins a comment',
    ),
  max_blocks: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(1_000_000)
    .describe('more decisions than this in force are refused'),
  ipv4_prefix: z.coerce
    .number()
    .int()
    .min(1)
    .max(32)
    .default(16)
    .describe('an IPv4 network wider than this is refused'),
  ipv6_prefix: z.coerce
    .number()
    .int()
    .min(1)
    .max(128)
    .default(32)
    .describe('an IPv6 network wider than this is refused'),
  max_feed_entries: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(500_000)
    .describe('lists that are enforced as a whole are refused above this many networks in all'),
  heartbeat: Duration.refine((ms) => ms >= 1_000 && ms <= 3_600_000, 'write 1s to 1h')
    .prefault('30s')
    .describe('how often the node says that it is well; 1s to 1h'),
  scan_sensor: Switch.prefault(false).describe(
    'tells the service who tries many ports of this node, or of machines behind it, in vain',
  ),
  scan_ports: z.coerce
    .number()
    .int()
    .min(3)
    .max(10_000)
    .default(15)
    .describe('different ports within scan_window from which on it is a port scan'),
  scan_window: Duration.refine((ms) => ms >= 10_000 && ms <= 3_600_000, 'write 10s to 1h')
    .prefault('60s')
    .describe('how long a port that was tried counts; 10s to 1h'),
  scan_trusted: listOf(AddressText)
    .prefault([])
    .describe('scanners and monitoring that may try ports; what is never blocked here may as well'),
  scan_interfaces: listOf(InterfaceName)
    .prefault([])
    .describe('only what comes in by these, such as eth0 or ppp*, is looked at; none: all'),
  scan_udp: Switch.prefault(true).describe(
    'looks at datagrams too, for which the kernel tracks connections',
  ),
  dead_man_window: Duration.refine((ms) => ms <= 600_000, 'write 0s to 10m')
    .prefault('15s')
    .describe('what was applied this long before the service was lost may be why; 0s turns it off'),
  dead_man_after: Duration.refine(
    (ms) => ms === 0 || (ms >= 1_000 && ms <= 3_600_000),
    'write 1s to 1h',
  )
    .prefault('30s')
    .describe(
      'so long without the service, and what may be why is taken out for a while; 0s turns it off',
    ),
})
export type AgentSettings = z.output<typeof AgentSettings>

/** Throws `setting_unknown` or `setting_invalid`. */
export function readAgentSettings(
  environment: Environment,
  given: Readonly<Record<string, unknown>> = {},
): AgentSettings {
  const known = Object.keys(AgentSettings.shape).map((key) => environmentName(prefix, key))
  refuseUnknownEnvironment(environment, prefix, known)
  return readSettings(AgentSettings, prefix, environment, given)
}
