/** The port-scan sensor's table of its own: made whole, read now and then, and removed without a trace. */

import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Firewall } from './firewall.ts'
import { ipsetProgram } from './ipset-program.ts'
import { iptablesProgram } from './iptables-program.ts'
import type { FoundElement } from './message.ts'
import { type Nft, nftProgram } from './nft.ts'
import { removeTable } from './ruleset.ts'
import { listingDump } from './sensor-listing.ts'
import { makeSensor, type SensorScript, sensorTable, spareSources } from './sensor-script.ts'
import type { SetDump } from './set-dump.ts'
import { oneAtATime } from './turns.ts'

/** Something that nobody has answered so far. Addresses are their bytes as latin1 text: tens of thousands are read at once. */
export type Attempt = {
  readonly source: string
  readonly host: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly ageMs: number
}
/** `missed`: there was no room for all of them in the last window. */
export type Attempts = { readonly all: readonly Attempt[]; readonly missed: boolean }

/** All throw `firewall_missing`, `no_privilege`, `kernel_refused`. */
export type SensorTable = {
  /** False for one that only prints. */
  readonly sees: boolean
  /** Whatever was there before goes, with what it had seen. */
  make(script: SensorScript): Promise<void>
  spare(trusted: readonly Address[]): Promise<void>
  /** Of the last window. Throws `kernel_refused` when the table is gone. */
  attempts(): Promise<Attempts>
  /** No error where there is none. */
  remove(): Promise<void>
  close(): void
}

export function nftSensorTable(nft: Nft, open: () => Promise<SetDump> = openDump): SensorTable {
  let dump: SetDump | undefined
  let windowMs = 0
  const turn = oneAtATime()
  const elements = async (set: string) => {
    dump ??= await open().catch(() => listingDump(nft))
    const found = await dump.elements(sensorTable, set)
    if (found) return found
    throw new Problem('kernel_refused', `the table ${sensorTable} is gone`, {
      remedy: 'the agent makes it anew by itself; look for what flushed the ruleset of this node',
    })
  }
  return {
    sees: true,
    make: (script) =>
      turn(async () => {
        await nft.run(makeSensor(script))
        windowMs = script.windowMs
      }),
    spare: (trusted) => turn(() => nft.run(spareSources(trusted))),
    attempts: () =>
      turn(async () => {
        const four = await elements('seen4')
        const six = await elements('seen6')
        const missed = await elements('missed')
        const all = [
          ...four.map((one) => readAttempt(one, 4, windowMs)),
          ...six.map((one) => readAttempt(one, 16, windowMs)),
        ]
        return { all, missed: missed.length > 0 }
      }),
    remove: () =>
      turn(async () => {
        const there = await nft.list('-t', 'list', 'table', 'inet', sensorTable)
        if (there !== undefined) await nft.run(removeTable(sensorTable))
      }),
    close: () => dump?.close(),
  }
}

/** Nothing is seen by it. */
export function printedSensorTable(print: (script: string) => void): SensorTable {
  return {
    sees: false,
    make: async (script) => print(makeSensor(script)),
    spare: async (trusted) => print(spareSources(trusted)),
    attempts: async () => ({ all: [], missed: false }),
    remove: async () => print(removeTable(sensorTable)),
    close() {},
  }
}

/** By the same programs as the back end. */
export async function chooseSensorTable(
  { name }: Pick<Firewall, 'name'>,
  print: (script: string) => void,
): Promise<SensorTable> {
  if (name === 'dry-run') return printedSensorTable(print)
  if (name === 'ipset') {
    const { ipsetSensorTable } = await import('./sensor-ipset.ts')
    return ipsetSensorTable(ipsetProgram(), iptablesProgram())
  }
  return nftSensorTable(nftProgram())
}

/** Loaded only now: koffi may have no build for this machine. */
async function openDump(): Promise<SetDump> {
  const { netlinkDump } = await import('./set-dump.ts')
  return netlinkDump()
}

/** `saddr . daddr . protocol . port`, each padded to four bytes. */
function readAttempt({ key, expiresMs }: FoundElement, size: 4 | 16, windowMs: number): Attempt {
  return {
    source: key.toString('latin1', 0, size),
    host: key.toString('latin1', size, 2 * size),
    protocol: key[2 * size] === 17 ? 'udp' : 'tcp',
    port: key.length < 2 * size + 6 ? 0 : key.readUInt16BE(2 * size + 4),
    ageMs: windowMs - (expiresMs ?? windowMs),
  }
}
