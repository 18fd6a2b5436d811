/** What an agent stands on when it acts for a host that has none: its kernel and surroundings, reached by SSH. */
import { Problem } from '#contract/problem.ts'
import type { AgentOn } from './agent.ts'
import { dryRunFirewall } from './kernel/dry-run.ts'
import { nftPostureTable, printedPostureTable } from './kernel/posture-table.ts'
import { listingDump } from './kernel/sensor-listing.ts'
import { nftSensorTable, printedSensorTable } from './kernel/sensor-table.ts'
import { remoteNft, sshFirewall } from './kernel/ssh-firewall.ts'
import { type SshTo, sshLine } from './kernel/ssh-line.ts'
import { programsHere } from './kernel/traces.ts'
import type { AgentSettings } from './settings.ts'
import { remoteHost } from './ssh-surroundings.ts'

/** How often the host is asked what it depends on. */
const refreshMs = 10_000

/** `on` as it is when no host is named. `print` says what would be done. Throws `setting_invalid`. */
export function throughSsh(
  settings: AgentSettings,
  on: AgentOn,
  print: (script: string) => void,
): AgentOn {
  const to = sshOf(settings)
  if (!to) return on
  const line = sshLine(to)
  const nft = remoteNft(line, on.monotonic)
  const host = remoteHost(line)
  const enforcing = settings.enforce && settings.backend !== 'dry-run'
  const made = () =>
    sshFirewall(line, nft, on.monotonic).catch((error: unknown) => {
      line.close()
      throw error
    })
  return {
    ...on,
    prepare: async () => {
      await host.refresh()
      const { peer, root } = await line.open()
      return `${to.host} answers${root ? '' : ', by sudo'}; this agent comes from ${peer}`
    },
    places: host.places,
    interfaces: host.interfaces,
    firewall: async () => {
      const firewall = enforcing ? await made() : dryRunFirewall(print, Date.now)
      // What it does not tell now it tells later; that it is away is found by whoever looks at the table.
      const timer = setInterval(() => host.refresh().catch(() => {}), refreshMs).unref()
      const close = async () => {
        clearInterval(timer)
        await firewall.close()
        line.close()
      }
      return { ...firewall, close }
    },
    posture: () => (enforcing ? nftPostureTable(nft) : printedPostureTable(print)),
    sensor: () =>
      enforcing ? nftSensorTable(nft, async () => listingDump(nft)) : printedSensorTable(print),
  }
}

/** Where traces are to be looked for: on that host, or on this machine when none is named. Throws `setting_invalid`. */
export function programsOf(settings: AgentSettings, monotonic: () => number) {
  const to = sshOf(settings)
  if (!to) return { programs: programsHere(), close: () => {} }
  const line = sshLine(to)
  return { programs: { nft: remoteNft(line, monotonic) }, close: () => line.close() }
}

function sshOf({ ssh, ssh_key, ssh_known_hosts, backend, state_dir }: AgentSettings) {
  if (ssh === undefined) return undefined
  if (ssh_key === undefined || ssh_known_hosts === undefined)
    throw invalid(
      'ssh needs ssh_key and ssh_known_hosts beside it',
      'make a key of the agent alone (ssh-keygen -t ed25519), and a file with the one key by which the host is known',
    )
  if (backend === 'auto' || backend === 'nft' || backend === 'dry-run')
    return {
      host: ssh,
      key: ssh_key,
      knownHosts: ssh_known_hosts,
      folder: state_dir,
    } satisfies SshTo
  throw invalid(
    `the back end ${backend} cannot be used over SSH`,
    'set backend to nft, or leave it out',
  )
}

function invalid(message: string, remedy: string): Problem {
  return new Problem('setting_invalid', message, { remedy })
}
