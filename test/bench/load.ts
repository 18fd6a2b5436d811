/** Real-shaped Wazuh alerts, each of another attacker, and the sending of them at a steady rate. */
import { readFileSync } from 'node:fs'
import { monotonicMs, type World } from './world.ts'

const sample: Record<string, object> = JSON.parse(
  readFileSync(new URL('wazuh-5763.json', import.meta.url), 'utf8'),
)

/** The nth of 131,072 attackers, from the network for benchmarks (RFC 2544). */
export function attacker(n: number): string {
  return `198.${18 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
}

/** `from` to `from + count - 1`, as one request body. */
export function alerts(from: number, count: number): string {
  const timestamp = new Date().toISOString().replace('Z', '+0000')
  const records = Array.from({ length: count }, (_, i) => ({
    ...sample,
    timestamp,
    id: `${from + i}.${from + i}`,
    data: { ...sample.data, srcip: attacker(from + i) },
  }))
  return JSON.stringify(records.length === 1 ? records[0] : records)
}

/** Open loop: each alert is sent at its time, whether or not those before were answered. Ms of sending, by attacker. */
export async function sendAtRate(world: World, from: number, count: number, perSecond: number) {
  const sent = new Map<string, number>()
  const answers: Promise<string>[] = []
  const start = monotonicMs()
  for (let i = 0; i < count; i++) {
    const due = start + (i * 1_000) / perSecond
    const body = alerts(from + i, 1)
    await until(due)
    sent.set(attacker(from + i), monotonicMs())
    answers.push(world.post('/v1/alerts/wazuh', body))
  }
  await Promise.all(answers)
  return sent
}

/** A severe Suricata alert by the nth attacker, as one line of eve.json. */
export function eveLine(n: number): string {
  const timestamp = new Date().toISOString().replace('Z', '000+0000')
  return `${JSON.stringify({
    timestamp,
    flow_id: 1_000_000 + n,
    in_iface: 'eth0',
    event_type: 'alert',
    src_ip: attacker(n),
    src_port: 40_000,
    dest_ip: '10.5.5.5',
    dest_port: 443,
    proto: 'TCP',
    alert: {
      action: 'allowed',
      gid: 1,
      signature_id: 2_030_000,
      rev: 2,
      signature: 'ET EXPLOIT bench',
      category: 'Attempted Administrator Privilege Gain',
      severity: 1,
    },
  })}\n`
}

/** Waits, without spinning, until every one of these has arrived in the kernel of so many nodes. */
export async function untilArrived(
  world: World,
  addresses: Iterable<string>,
  nodes: number,
  limitMs: number,
) {
  const deadline = monotonicMs() + limitMs
  for (const address of addresses)
    while (world.arrived(address).size < nodes) {
      if (monotonicMs() > deadline)
        throw new Error(`${address} reached ${world.arrived(address).size} of ${nodes} kernels`)
      await pause(5)
    }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(due: number): Promise<void> {
  const left = due - monotonicMs()
  if (left > 0) await pause(left)
}
