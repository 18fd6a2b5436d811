/** A sender at the other end of links: a namespace of its own, and the process in it that sends. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hardwareAddress, targetAddress } from './frames.ts'
import type { PacketAnswer, PacketOrder, Sent } from './packets-process.ts'

export type Sender = {
  /** To a namespace, or to our own. One link sends at a time. */
  linkTo(receiver?: string): Promise<Link>
  close(): Promise<void>
}

export type Link = {
  flood(first: number, sources: number, ms: number): Promise<Sent>
  /** Evenly. Until `stop` is called, or for as long as this. */
  pace(first: number, sources: number, perSecond: number, ms: number): Promise<Sent>
  /** Ends what `pace` began. */
  stop(): void
  /** Microseconds of each echo. */
  roundTrips(first: number, times: number): Promise<number[]>
}

const run = promisify(execFile)
const name = 'sender'
const link = 'v-sender'

export async function openSender(): Promise<Sender> {
  await run('ip', ['netns', 'add', name])
  const child = await startProcess().catch(async (error: unknown) => {
    await run('ip', ['netns', 'delete', name]).catch(() => {})
    throw error
  })
  let links = 0
  return {
    linkTo: async (receiver) => {
      const device = `eth${links++}`
      await join(device, receiver)
      return linkBy(child, device)
    },
    close: async () => {
      child.removeAllListeners('exit')
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
      await run('ip', ['netns', 'delete', name])
    },
  }
}

async function join(device: string, receiver: string | undefined): Promise<void> {
  // Goes before a command that is to run at that end.
  const inReceiver = receiver === undefined ? '' : `ip netns exec ${receiver} `
  const inSender = `ip netns exec ${name} `
  await run('sh', [
    '-ec',
    [
      `${inReceiver}ip link add ${link} type veth peer name ${device} netns ${name}`,
      ...[`${inReceiver}ip link set ${link}`, `${inSender}ip link set ${device}`].flatMap((end) => [
        `${end} address ${hardwareAddress} arp off`,
        `${end} up`,
      ]),
      `${inReceiver}ip link set lo up`,
      `${inReceiver}ip addr replace ${targetAddress}/32 dev lo`,
      `${inReceiver}ip route add 198.18.0.0/15 dev ${link}`,
    ].join('\n'),
  ])
}

function linkBy(child: ChildProcess, device: string): Link {
  const sent = async (order: PacketOrder) => {
    const answer = await ask(child, order)
    if ('sent' in answer) return answer
    throw new Error('failed' in answer ? answer.failed : 'the sender answered something else')
  }
  return {
    flood: (first, sources, ms) => sent({ do: 'flood', device, first, sources, ms }),
    pace: (first, sources, perSecond, ms) =>
      sent({ do: 'pace', device, first, sources, perSecond, ms }),
    stop: () => void child.send({ do: 'stop' } satisfies PacketOrder),
    roundTrips: async (first, times) => {
      const answer = await ask(child, { do: 'round trips', device, first, times })
      if ('us' in answer) return answer.us
      throw new Error('failed' in answer ? answer.failed : 'the sender answered something else')
    },
  }
}

async function startProcess(): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('packets-process.ts', import.meta.url))
  const child = spawn('ip', ['netns', 'exec', name, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await answerOf(child)
  return child
}

function ask(child: ChildProcess, order: PacketOrder): Promise<PacketAnswer> {
  const answer = answerOf(child)
  child.send(order)
  return answer
}

function answerOf(child: ChildProcess): Promise<PacketAnswer> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the sender ended with ${code}`))
    child.once('exit', ended)
    child.once('message', (answer: PacketAnswer) => {
      child.off('exit', ended)
      resolve(answer)
    })
  })
}
