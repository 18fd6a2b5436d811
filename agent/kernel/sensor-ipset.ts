/** The port-scan sensor of hosts without nftables: sets that rules of iptables fill and empty, read now and then. */
import { setImmediate as breath } from 'node:timers/promises'
import { type Address, maybeAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Ipset } from './ipset-program.ts'
import type { Family, Iptables } from './iptables-program.ts'
import { takeOut } from './iptables-removal.ts'
import { isSensorChain, readSaved } from './iptables-script.ts'
import {
  isSensorSet,
  secondsOf,
  sensorPart,
  sensorPlace,
  sensorRules,
  sensorSet,
  sensorSets,
  spareLines,
} from './sensor-ipset-script.ts'
import type { Attempt, SensorTable } from './sensor-table.ts'
import { oneAtATime } from './turns.ts'

/** Lines that are read in one go. */
const breathSize = 2_000
/** It is looked at the rules this seldom: sets that are gone are seen at once. */
const looksEach = 5

export function ipsetSensorTable(ipset: Ipset, iptables: Iptables): SensorTable {
  const turn = oneAtATime()
  const { families } = iptables
  let seconds = 0
  let looks = 0
  /** The rules as they were made. */
  const left = new Map<Family, string>()

  const rulesOf = async (family: Family) =>
    JSON.stringify(sensorPart(readSaved(await iptables.save(family))))

  const remove = async () => {
    left.clear()
    await takeOut(iptables, isSensorChain)
    const names = [...(await ipset.headers()).keys()].filter(isSensorSet)
    await ipset.run(names.map((name) => `destroy ${name}`))
  }

  const spare = (trusted: readonly Address[]) =>
    ipset.run(families.flatMap((family) => spareLines(family, trusted)))

  const mustStand = async () => {
    if (looks++ % looksEach > 0) return
    for (const family of families) if ((await rulesOf(family)) !== left.get(family)) throw gone()
  }

  return {
    sees: true,
    make: (script) =>
      turn(async () => {
        await remove()
        await ipset.run(families.flatMap((family) => sensorSets(family, script.windowMs)))
        await spare(script.trusted)
        for (const family of families) {
          const saved = readSaved(await iptables.saveThere(family))
          await iptables.restore(family, sensorRules(family, script, saved))
          left.set(family, await rulesOf(family))
        }
        seconds = secondsOf(script.windowMs)
      }),
    spare: (trusted) => turn(() => spare(trusted)),
    attempts: () =>
      turn(async () => {
        await mustStand()
        const all: Attempt[] = []
        let missed = false
        for (const family of families) {
          await readInto(all, await saved(ipset, sensorSet('seen', family)), seconds)
          missed ||= /^add /m.test(await saved(ipset, sensorSet('missed', family)))
        }
        return { all, missed }
      }),
    remove: () => turn(remove),
    close() {},
  }
}

/** Its chains and sets that are there. */
export async function sensorTraces(ipset: Ipset, iptables: Iptables): Promise<string[]> {
  const found: string[] = []
  for (const family of iptables.families)
    for (const chain of sensorPart(readSaved(await iptables.save(family))).chains)
      found.push(`${family === 4 ? 'iptables' : 'ip6tables'} ${sensorPlace} ${chain}`)
  const sets = [...(await ipset.headers()).keys()].filter(isSensorSet)
  return [...found, ...sets.map((set) => `ipset ${set}`)]
}

async function saved(ipset: Ipset, set: string): Promise<string> {
  const text = await ipset.save(set)
  if (text === undefined) throw gone()
  return text
}

/** `add NAME 203.0.113.7,tcp:22,192.0.2.1 timeout 59` */
async function readInto(all: Attempt[], text: string, seconds: number): Promise<void> {
  let from = 0
  for (let count = 0; from < text.length; count++) {
    if (count % breathSize === breathSize - 1) await breath()
    const end = text.indexOf('\n', from)
    const attempt = readAttempt(text.slice(from, end < 0 ? undefined : end), seconds)
    if (attempt) all.push(attempt)
    from = end < 0 ? text.length : end + 1
  }
}

function readAttempt(line: string, seconds: number): Attempt | undefined {
  const [, source = '', protocol, port, host = '', left] =
    /^add \S+ ([^,]+),(tcp|udp):(\d+),(\S+) timeout (\d+)/.exec(line) ?? []
  const [from, to] = [bytesOf(source), bytesOf(host)]
  if (from === undefined || to === undefined) return undefined
  return {
    ...{ source: from, host: to, port: Number(port) },
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    // What is left is told in whole seconds, a second too little at most: it is at least this old.
    ageMs: Math.max(0, seconds - Number(left) - 1) * 1_000,
  }
}

function bytesOf(text: string): string | undefined {
  const address = text === '' ? undefined : maybeAddress(text)
  return address && Buffer.from(address.bytes).toString('latin1')
}

function gone(): Problem {
  return new Problem('kernel_refused', 'sets or rules of the port-scan sensor are gone', {
    remedy: 'the agent makes them anew by itself; look for what flushed the rules of this node',
  })
}
