/** Where packets arrive: namespaces that differ only in what filters there, each at a link of its own from one sender. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { delivered, unreadSocket } from './delivered.ts'
import { inNamespace } from './enter.ts'
import { targetPort } from './frames.ts'
import { type Link, openSender, type Sender } from './sender.ts'

export type Receiver = {
  readonly link: Link
  /** Datagrams that were let through until now. */
  delivered(): number
}

export type Receivers = {
  /** The namespace that the bench runs in. */
  readonly here: Receiver
  /** Nothing filters there until the table is copied, and it stays as it is then. */
  readonly before: Receiver
  /** Nothing ever filters there. */
  readonly bare: Receiver
  /** `before` is given the table of this namespace as it is now. */
  copyTable(): void
  close(): Promise<void>
}

export async function openReceivers(): Promise<Receivers> {
  const sender = await openSender()
  const ends: (() => void)[] = []
  const close = async () => {
    for (const end of ends.toReversed()) end()
    await sender.close()
  }
  const open = async (name?: string) => {
    if (name !== undefined) ends.push(openNamespace(name))
    ends.push(unreadSocket(targetPort, name))
    return receiver(sender, name)
  }
  try {
    const here = await open()
    return { here, before: await open('before'), bare: await open('bare'), copyTable, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function receiver(sender: Sender, name?: string): Promise<Receiver> {
  return { link: await sender.linkTo(name), delivered: () => delivered(name) }
}

/** One that forwards, as the one of the bench does. Returns its end. */
function openNamespace(name: string): () => void {
  execFileSync('ip', ['netns', 'add', name])
  inNamespace(name, () => {
    for (const each of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'])
      writeFileSync(`/proc/sys/net/${each}`, '1')
  })
  return () => void execFileSync('ip', ['netns', 'delete', name])
}

function copyTable(): void {
  const input = execFileSync('nft', ['list', 'table', 'inet', 'cordon'])
  inNamespace('before', () => execFileSync('nft', ['-f', '-'], { input }))
}
