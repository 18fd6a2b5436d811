/** The demo without the right to a firewall: the same service and agents on loopback, which say what they would do. */
import type { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { wazuhAlert } from './alerts.ts'
import { type Ask, asker } from './ask.ts'
import { attacker, nodes } from './network.ts'
import { collect, startNode, startService, type Word, wordsOf } from './parts.ts'
import type { Signed } from './signing-clock.ts'
import { type Decision, decisionOn, until } from './world.ts'

/** Times in ms after the alert was sent. */
export type DryFacts = {
  mode: 'dry'
  why: string
  url: string
  judged: number
  signed: number
  answered: number
  decision: Decision
  /** What each node would tell its kernel, and when its agent said so. */
  would: { at: number; script: string }[]
}
export type DryScene = { begin(why: string): void; ended(facts: DryFacts): void }

const warmUps = 12

export async function playDry(why: string, scene: DryScene): Promise<DryFacts> {
  scene.begin(why)
  const service = await startService(
    {
      CORDON_LISTEN: '127.0.0.1:0',
      CORDON_DATA_DIR: join(tmpdir(), 'service'),
      CORDON_LOG_LEVEL: 'warn',
    },
    new URL('signing-clock.ts', import.meta.url).href,
  )
  const signatures: Signed[] = []
  collect(service.process.stdio[3], signatures)
  const ask = asker(service.url, service.token, undefined)
  const agents = await Promise.all(nodes.map(({ name }) => enrol(ask, name)))
  const tell = async (address: string) => {
    const alert = wazuhAlert(address, nodes[0]?.address4 ?? '', Date.now())
    const start = now()
    const { at } = await ask('POST', '/v1/alerts/wazuh', alert)
    const would = await until(`each node would block ${address}`, () => planned(agents, address))
    return { start, answered: at, would }
  }
  for (let number = 1; number <= warmUps; number++) await tell(`198.51.100.${number}`)
  const { start, answered, would } = await tell(attacker.address4)
  const order = signatures.find(({ targets }) => targets.includes(attacker.address4))
  const decision = await decisionOn(ask, attacker.address4)
  if (!order || !decision) throw new Error('nothing was decided')
  const since = (ns: number) => (ns - start) / 1e6
  const facts: DryFacts = {
    mode: 'dry',
    why,
    url: service.url,
    judged: since(order.judged),
    signed: since(order.signed),
    answered: since(answered),
    decision,
    would: would.map(({ at, text }) => ({
      at: since(at),
      script: text.replace(/^.*would do: /, ''),
    })),
  }
  scene.ended(facts)
  return facts
}

async function enrol(ask: Ask, name: string): Promise<ChildProcess> {
  const { text } = await ask('POST', '/v1/nodes/tokens', '{}')
  const agent = await startNode(name, JSON.parse(text).token, {
    CORDON_AGENT_STATE_DIR: join(tmpdir(), name),
    CORDON_AGENT_ENFORCE: 'false',
  })
  await until(`the agent of ${name} is up`, () =>
    wordsOf(agent).find(({ text }) => text.includes('dry-run')),
  )
  return agent
}

function planned(agents: readonly ChildProcess[], address: string): Word[] | undefined {
  const found = agents.flatMap(
    (agent) => wordsOf(agent).find(({ text }) => text.includes(`{ ${address} timeout`)) ?? [],
  )
  return found.length === agents.length ? found : undefined
}

function now(): number {
  return Number(process.hrtime.bigint())
}
