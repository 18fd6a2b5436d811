/** Whether this node could do its work: enforce, reach and trust its service, and what it would never block. */
import { toProblem } from '#contract/problem.ts'
import type { AgentOn } from './agent.ts'
import { resolveHost, type Service } from './connect.ts'
import { bearer, requireIdentity } from './identity.ts'
import type { Expresses } from './kernel/firewall.ts'
import { Lookout } from './lookout.ts'
import { type Membership, requireMembership } from './membership.ts'
import type { AgentSettings } from './settings.ts'

export type Finding = { what: string; good: boolean; detail: string; remedy?: string }
export type CheckResult = {
  good: boolean
  findings: Finding[]
  protected: { address: string; why: string }[]
  lines: string[]
}

/** More than this and the tokens that the node signs are refused. */
const clockLimitMs = 30_000

/** Nothing is changed but by the firewall's self-test in its scratch table. */
export async function check(settings: AgentSettings, on: AgentOn): Promise<CheckResult> {
  const findings = await canStart(on)
  if (findings.some(({ good }) => !good)) return resultOf(findings, [])
  findings.push(await canEnforce(settings, on))
  const guarded = await finding('guard', () => lookAround(settings, on))
  findings.push(...(await canReach(settings, on)), guarded.finding)
  return resultOf(findings, guarded.value ?? [])
}

function resultOf(findings: Finding[], here: CheckResult['protected']): CheckResult {
  return {
    good: findings.every(({ good }) => good),
    findings,
    protected: here,
    lines: [
      ...findings.flatMap(printFinding),
      ...here.map(({ address, why }) => `  never blocked: ${address} (${why})`),
    ],
  }
}

/** Without the host that this agent acts for there is nothing else to look at. */
async function canStart({ prepare }: AgentOn): Promise<Finding[]> {
  if (!prepare) return []
  const found = await finding('host', async () => ({ detail: await prepare(), value: undefined }))
  return [found.finding]
}

async function canEnforce(settings: AgentSettings, on: AgentOn): Promise<Finding> {
  const { finding: found } = await finding('enforce', async () => {
    const firewall = await on.firewall()
    await firewall.close()
    const detail = firewall.enforcing
      ? `by ${firewall.name}${firewall.fallback ? ` (${firewall.fallback})` : ''}, ${capable(firewall.expresses)}`
      : 'enforce is false: what would be done is only printed'
    return { detail, value: undefined }
  })
  if (settings.enforce || !found.good) return found
  return {
    ...found,
    good: false,
    remedy: 'set CORDON_AGENT_ENFORCE=true when the dry run looks right',
  }
}

function capable({ scopes, reject }: Expresses): string {
  if (!scopes) return 'of whole addresses only'
  return reject ? 'with scopes, rejects and limits' : 'with scopes and limits, but no rejects'
}

async function canReach(settings: AgentSettings, on: AgentOn): Promise<Finding[]> {
  const enrolled = await finding('enrolled', async () => {
    const value = requireMembership(settings.state_dir)
    return { detail: `as ${value.node} with ${value.url}`, value }
  })
  if (!enrolled.value) return [enrolled.finding]
  const { value: membership } = enrolled
  const known = await finding('trusted service', async () => {
    // Not made here: a check changes nothing, and the service knows only the key of the enrolment.
    const value = requireIdentity(settings.state_dir)
    return { detail: '', value }
  })
  if (!known.value) return [enrolled.finding, known.finding]
  let offset: number | undefined
  const sign = bearer(membership.node, known.value, membership.issuer)
  const service = on.connect({
    url: membership.url,
    tls: membership.tls,
    token: () => sign(Date.now()),
    heard: (_, date) => {
      if (date !== undefined) offset = date - Date.now()
    },
  })
  try {
    const reached = await finding('trusted service', () => reach(service, membership))
    return [enrolled.finding, reached.finding, clockFinding(offset)]
  } finally {
    service.close()
  }
}

async function reach(service: Service, membership: Membership) {
  const answer = await service.stream('/v1/stream', { headers: { accept: 'text/event-stream' } })
  answer.destroy()
  return { detail: `${membership.url} answers and knows this node`, value: undefined }
}

function clockFinding(offset: number | undefined): Finding {
  if (offset === undefined)
    return { what: 'clock', good: false, detail: 'the service did not tell its time' }
  const good = Math.abs(offset) < clockLimitMs
  // The service tells its time in whole seconds here.
  const seconds = Math.round(Math.abs(offset) / 1_000)
  const way = offset > 0 ? 'behind' : 'ahead of'
  const detail =
    seconds <= 1 ? "agrees with the service's" : `about ${seconds} s ${way} the service's`
  return {
    what: 'clock',
    good,
    detail,
    ...(good ? {} : { remedy: 'set the clock of this machine' }),
  }
}

async function lookAround(settings: AgentSettings, on: AgentOn) {
  const addresses = await addressesOf(settings.state_dir)
  const service = () => addresses
  const interfaces = on.interfaces ? { interfaces: on.interfaces } : {}
  const lookout = new Lookout({ settings, places: on.places, service, ...interfaces })
  lookout.look()
  const value = lookout.here.map(({ address, why }) => ({ address: address.text, why }))
  return { detail: `${value.length} addresses and networks are never blocked`, value }
}

async function addressesOf(folder: string): Promise<readonly string[]> {
  try {
    const { addresses, url } = requireMembership(folder)
    // A name that cannot be resolved is said by the finding about the service.
    return [...new Set([...addresses, ...(await resolveHost(url).catch(() => []))])]
  } catch {
    // Said by the finding about enrolment.
    return []
  }
}

async function finding<Value>(
  what: string,
  act: () => Promise<{ detail: string; value: Value }>,
): Promise<{ finding: Finding; value?: Value }> {
  try {
    const { detail, value } = await act()
    return { finding: { what, good: true, detail }, value }
  } catch (error) {
    const { message, remedy, cause } = toProblem(error)
    const detail = cause instanceof Error ? `${message} (${cause.message})` : message
    return { finding: { what, good: false, detail, ...(remedy === undefined ? {} : { remedy }) } }
  }
}

function printFinding({ what, good, detail, remedy }: Finding): string[] {
  const verdict = `${good ? 'yes' : 'no '} ${what}: ${detail}`
  return remedy === undefined || good ? [verdict] : [verdict, `    hint: ${remedy}`]
}
