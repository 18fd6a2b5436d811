/** The command `cordon start`: the service and one local node in one process, to see all of Cordon at work. */
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { NodeName } from '#contract/audience.ts'
import { printable } from '#contract/printable.ts'
import { refuseUnknownEnvironment, settingRows } from '#contract/settings.ts'
import type { Asked, Handler, Io } from './actions/command/command.ts'
import { agentPrefix, readStartup, type Startup } from './actions/command/read-startup.ts'
import { printPlan, printStartScreen } from './actions/command/screen.ts'
import { openLog, serviceDeps } from './actions/command/serve.ts'
import { stay } from './actions/command/stay.ts'
import { inviteNode } from './actions/flow/enrol.ts'
import { type Service, startService } from './actions/service.ts'
import { type Agent, runAgent } from './agent/agent.ts'
import { enrol } from './agent/enrol.ts'
import { chooseFirewall } from './agent/kernel/choose.ts'
import { freeingSockets } from './agent/kernel/free-sockets.ts'
import { machine } from './agent/main.ts'
import { readMembership, writeMembership } from './agent/membership.ts'
import { AgentSettings, readAgentSettings } from './agent/settings.ts'

const inviteLifeMs = 60_000

export const start: Handler = async (asked, io) => {
  const startup = await readStartup(asked, io.environment)
  const settings = nodeSettings(asked, startup)
  const log = openLog(io, logLevel(io, startup))
  const plan = openPlan(asked, io)
  const { enforce, backend } = settings
  // Before anything is made on the disk: without the privilege that was asked for there is nothing to start.
  const firewall = await chooseFirewall({ enforce, backend, print: plan.print, now: io.now })
  const newAdminToken = asked.flag('new-admin-token')
  const deps = { ...serviceDeps(startup, io, log), newAdminToken }
  const service = await startService(startup.service, deps)
  let agent: Agent | undefined
  const stop = async () => {
    await agent?.stop()
    await service.stop()
  }
  try {
    await belong(service, settings, io)
    agent = await runAgent(settings, {
      ...(await machine(settings, io)),
      firewall: async () => freeingSockets(firewall),
      say: (text) => log.info({ part: 'node' }, printable(text, 1_000)),
    })
    announce(asked, io, service, agent, {
      dataDir: startup.service.data_dir,
      stateDir: settings.state_dir,
      table: plan.begin(settings.state_dir),
    })
    await stay(io.signals, service, log, stop)
    return 0
  } catch (error) {
    await stop()
    throw error
  }
}

function nodeSettings(asked: Asked, startup: Startup): AgentSettings {
  const names = settingRows(AgentSettings, agentPrefix).map(({ environment }) => environment)
  refuseUnknownEnvironment(startup.environment, agentPrefix, names)
  const here = { state_dir: join(startup.service.data_dir, 'node') }
  const given = { ...here, ...startup.agentSection }
  const settings = readAgentSettings(startup.environment, given)
  return asked.flag('enforce') ? { ...settings, enforce: true } : settings
}

/** Log lines must not push away what a person on a terminal reads; who asked for a level gets it. */
function logLevel(io: Io, { service }: Startup): Startup['service']['log_level'] {
  return io.screen.err && service.log_level === 'info' ? 'warn' : service.log_level
}

/** The node of this process is known to its own service: no person carries a token. */
async function belong(service: Service, settings: AgentSettings, io: Io): Promise<void> {
  const { url, tls } = service.flow.reachable()
  const membership = readMembership(settings.state_dir)
  if (membership) {
    const { tls: _, ...rest } = membership
    writeMembership(settings.state_dir, { ...rest, url, ...(tls !== undefined && { tls }) })
    return
  }
  const wanted = { groups: [], lifeMs: inviteLifeMs }
  const { token } = await inviteNode(service.flow, wanted, 'service')
  await enrol(token, nodeName(), settings.state_dir, io.now())
}

function nodeName(): string {
  const name = hostname().toLowerCase()
  return NodeName.safeParse(name).success ? name : 'local'
}

/** What the dry run would apply: first the whole table, which goes to a file, then each change as it comes. */
function openPlan(asked: Asked, io: Io) {
  let first: string[] | undefined = []
  return {
    print: (script: string) => {
      if (first) first.push(script)
      else
        io.out(asked.json ? `${JSON.stringify({ would_apply: script })}\n` : printPlan(io, script))
    },
    /** From now on changes are shown. The file that holds the table, when there is anything to hold. */
    begin: (folder: string): string | undefined => {
      const scripts = first ?? []
      first = undefined
      if (scripts.length === 0) return undefined
      const path = join(folder, 'table.nft')
      writeFileSync(path, scripts.join(''), { mode: 0o600 })
      return path
    },
  }
}

type Kept = { dataDir: string; stateDir: string; table: string | undefined }

function announce(asked: Asked, io: Io, service: Service, agent: Agent, kept: Kept): void {
  const { node, enforcing, backend } = agent.status()
  const { url, adminToken } = service
  io.out(
    asked.json
      ? `${JSON.stringify({ url, admin_token: adminToken ?? null, node, enforcing, backend })}\n`
      : printStartScreen(io, service, { name: node, enforcing, backend, ...kept }),
  )
}
