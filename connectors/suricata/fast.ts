/** One line of fast.log to what an alert needs: a fallback, for it has no flow, no direction and no zone. */
import { Problem } from '#contract/problem.ts'
import type { Seen } from '../make-alerts.ts'
import type { DirectionSettings } from './direction.ts'
import { judgeSides } from './direction.ts'
import { fromLocal } from './local-time.ts'
import { suricataSeverity } from './severity.ts'

const stamp = /\d{2}\/\d{2}\/\d{4}-\d{2}:\d{2}:\d{2}\.\d{6} {2}/
const start = new RegExp(`^${stamp.source}`)
const nextRecord = new RegExp(`(?<=.)(?=${stamp.source}(?:\\[w?Drop\\] )?\\[\\*\\*\\] \\[\\d)`)
const time = /^(\d\d)\/(\d\d)\/(\d{4})-(\d\d):(\d\d):(\d\d)\.(\d{3})\d{3}$/
const head = /^(\S+) {2}(?:\[(w?Drop)\] )?\[\*\*\] \[(\d+):(\d+):(\d+)\]/
const classMark = '[**] [Classification: '
const priorityMark = '] [Priority: '
const tail = /^\] \[Priority: (\d+)\] \{([^{}]*)\} (\S+) -> (\S+)$/
const withoutAddresses = /\[Priority: \d+\] \[\*\*\] \[Raw pkt: /
const longest = 16_384

export function isFast(text: string): boolean {
  return start.test(text)
}

/**
 * What a line holds. Suricata cuts a record at 2048 bytes and then writes no line end, so that the next record
 * follows on the same line; of the one that was cut the rule is still told. Decoder events name no address and
 * are no attack: nothing.
 */
export function readFast(line: string, zone: string, settings: DirectionSettings): Seen[] {
  if (line.length > longest) throw cutShort(`a line of ${line.length} characters`)
  const records = line.trimEnd().split(nextRecord)
  return records.flatMap((record, index) => {
    const cut = index < records.length - 1
    return readOne(record.trimEnd(), cut, zone, settings) ?? []
  })
}

function readOne(
  record: string,
  cut: boolean,
  zone: string,
  settings: DirectionSettings,
): Seen | undefined {
  const [whole, written, drop, gid, sid] = head.exec(record) ?? []
  if (whole === undefined || written === undefined || sid === undefined)
    throw cutShort('no time and rule')
  const after = record.slice(whole.length)
  const found = splitFromRight(after)
  if (!found && withoutAddresses.test(after)) return undefined
  if (!found && !cut) throw cutShort('a line that ends before its addresses')
  const { message, category, priority, protocol, from, to } = found ?? nothing
  const event = eventOf({ message, category, protocol, from, to })
  const sides = judgeSides(event, settings)
  return {
    source: 'suricata',
    id: ['fast', record],
    observed: readLocal(written, zone),
    rule: {
      id: sid,
      name: textOrNull(message) || `${gid}:${sid}`,
      severity: suricataSeverity(Number(priority)),
      groups: [textOrNull(category)].filter((group) => group !== ''),
      mitre: [],
    },
    attackers: sides.attacker ? [sides.attacker] : [],
    victim: { address: sides.victim, port: sides.port, protocol },
    user: undefined,
    blocked: drop === 'Drop',
  }
}

type Fields = { message: string; category: string; protocol: string; from: string; to: string }
const nothing = { message: '', category: '', priority: '', protocol: '', from: '', to: '' }

/** The message and the class are rule text that may hold any of the marks, so the last ones count. */
function splitFromRight(text: string): typeof nothing | undefined {
  const priorityAt = text.lastIndexOf(priorityMark)
  const classAt = text.lastIndexOf(classMark, priorityAt)
  const [, priority, protocol, from, to] = tail.exec(text.slice(Math.max(0, priorityAt))) ?? []
  if (priorityAt < 0 || classAt < 0) return undefined
  if (!priority || protocol === undefined || !from || !to) return undefined
  const category = text.slice(classAt + classMark.length, priorityAt)
  return { message: text.slice(0, classAt), category, priority, protocol, from, to }
}

/** The same shape as an event of eve.json, so that both are judged by the same rules. */
function eventOf({ message, category, protocol, from, to }: Fields) {
  const ported = !/ICMP/i.test(protocol)
  const [src_ip, src_port] = splitAtLastColon(from)
  const [dest_ip, dest_port] = splitAtLastColon(to)
  const ports = ported ? { src_port, dest_port } : {}
  return { src_ip, dest_ip, ...ports, proto: protocol, alert: { signature: message, category } }
}

/** IPv6 stands without brackets; for ICMP the number after the colon is a type or a code. */
function splitAtLastColon(text: string): [address: string, port: string] {
  const colon = text.lastIndexOf(':')
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
}

function readLocal(written: string, zone: string): number {
  const [, month, day, year, hour, minute, second, ms] = (time.exec(written) ?? []).map(Number)
  const wall = Date.UTC(year ?? Number.NaN, (month ?? 0) - 1, day, hour, minute, second, ms)
  if (Number.isNaN(wall)) throw cutShort('no time')
  return fromLocal(wall, zone)
}

function textOrNull(text: string): string {
  const trimmed = text.trim()
  return trimmed === '(null)' ? '' : trimmed
}

function cutShort(got: string): Problem {
  return new Problem('invalid_input', `expected one line of fast.log, got ${got}`, {
    remedy: 'prefer eve.json; if this line is whole, report it with the version of Suricata',
  })
}
