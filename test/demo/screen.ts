/** What a person sees of the demo: plain text of at most 96 columns, which reads as well without colour. */
import { availableParallelism, loadavg, release } from 'node:os'
import { styleText } from 'node:util'
import { printDuration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import type { Ended, FlowSeen } from './flow.ts'
import type { Left } from './left-behind.ts'
import { attacker, nodes, service, visitor } from './network.ts'
import type { Act, Facts, Killed, Scene } from './play.ts'
import { tickMs, warmUps } from './world.ts'

type Style = 'bold' | 'dim' | 'red' | 'green'

/** NO_COLOR and an output that is no terminal are seen to by styleText. */
function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** While something is waited for, a terminal shows a sign of life, which the next lines overwrite. */
let waiting = false

export function out(lines: readonly string[], meanwhile?: string): void {
  process.stdout.write(`${waiting ? '\r\u001b[K' : ''}${lines.join('\n')}\n`)
  waiting = meanwhile !== undefined && process.stdout.isTTY
  if (waiting) process.stdout.write(paint('dim', `  ${meanwhile} …`))
}

export const scene: Scene = {
  begin: () => out([...introduction(), ''], 'starting all of them'),
  act: (number, act) => out([...actLines(number, act), '']),
  killed: ({ at }) => out(killLines(at), 'waiting for the end of the blocks'),
  ended: (facts) => out(endLines(facts)),
}

function introduction(): string[] {
  const { address4, address6 } = visitor
  return [
    `${bold('Cordon, live.')} Real kernels, real packets, all in namespaces of this run; each figure is measured.`,
    '',
    who('service', service.address4, 'judges alerts, signs what to block, streams it over TLS'),
    who(
      'nodes',
      nodes.map(({ name }) => name).join(' '),
      'an agent each: verifies, then blocks in nftables',
    ),
    who(
      'attacker',
      `${attacker.address4}, ${attacker.network6}`,
      `pings all nodes every ${tickMs} ms, one TCP flow to web-1`,
    ),
    who('visitor', `${address4}, ${address6}`, 'clean neighbour: does the same, must not notice'),
  ]
}

export function bold(text: string): string {
  return paint('bold', text)
}

/** After the end, when it was looked. */
export function printLeft({ processes, mounts }: Left): void {
  const sentence =
    processes + mounts === 0
      ? 'nothing: no process and no mount of this run is there any more'
      : `${processes} processes and ${mounts} mounts: this should not be`
  const machine = `Linux ${release()}, ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}`
  out([
    result('left behind', sentence),
    '',
    paint('dim', `Times are ms after each alert; ${warmUps} others went before. ${machine}.`),
  ])
}

export function who(name: string, address: string, role: string): string {
  return `  ${paint('bold', name.padEnd(8))} ${address.padEnd(33)} ${role}`
}

export const heads = {
  1: `Wazuh posts an alert: ssh brute force (rule 5763) by ${attacker.address4}`,
  2: `Suricata appends to eve.json: an exploit by ${attacker.address6}, which hops within its /64`,
} as const
const starts = {
  1: 'alert sent',
  2: 'line appended; nobody tells the service, it watches the file',
} as const

function actLines(number: 1 | 2, act: Act): string[] {
  const { inKernel, cuts } = act
  return [
    heading(number, heads[number]),
    moment(0, starts[number]),
    ...judgement(act),
    columns(
      '',
      nodes.map(({ name }) => name),
    ),
    columns('in the kernel, as the kernel tells', inKernel.map(print)),
    columns(
      'last ping that came through',
      cuts.map(({ lastIn }) => paint('green', print(lastIn))),
    ),
    columns(
      'first ping dropped',
      cuts.map(({ firstLost }) => paint('red', print(firstLost))),
    ),
  ]
}

/** From the decision to the answer. */
export function judgement(act: Judged): string[] {
  const { target, decision, judged, signed, answered } = act
  return [
    moment(judged, `decided: block ${target} for ${printDuration(decision.length_s * 1_000)}`),
    ...decision.because.map((sentence) => note(printable(brief(sentence), 88))),
    moment(signed, `signed, once for all nodes: ${decision.id}`),
    ...(answered === undefined
      ? []
      : [moment(answered, 'answered to Wazuh: alert, decision and signature are on the disk')]),
  ]
}
type Judged = Pick<Act, 'target' | 'judged' | 'signed' | 'answered' | 'decision'>

/** The service's own sentence, in fewer words where it names the rule. */
function brief(sentence: string): string {
  return sentence.replace(/^The rule (".*") matched: /, 'rule $1: ')
}

function killLines(at: number): string[] {
  return [
    heading(3, 'Service and agents are killed (kill -9). Who ends the blocks?'),
    moment(at, 'nothing of Cordon runs any more'),
  ]
}

function endLines(facts: Facts): string[] {
  const [wazuh, suricata] = facts.acts
  return [
    columns(
      '',
      nodes.map(({ name }) => name),
    ),
    ends(`${wazuh.target} comes through again`, wazuh),
    ends(`${suricata.target} comes through again`, suricata),
    ...endSentences(facts.killed).map(note),
    '',
    heading('=', 'What it comes to'),
    result(
      'alert to kernel',
      `${bold(print(last(wazuh.inKernel)))} ms from Wazuh, ${bold(print(last(suricata.inKernel)))} ms from Suricata's file, to the last of 3 kernels`,
    ),
    result(
      'length',
      `signed to end at ${print(wazuh.signedEnd)} and ${print(suricata.signedEnd)} ms; traffic was back at ${print(lastBack(wazuh))} and ${print(lastBack(suricata))}`,
    ),
    ...flowLines(facts),
    result('visitor', visitorSentence(facts)),
  ]
}

function ends(what: string, { cuts }: Act): string {
  return columns(
    what,
    cuts.map(({ firstIn = Number.NaN }) => paint('green', print(firstIn))),
  )
}

function endSentences({ changesAfter, dropped, leaks }: Killed): string[] {
  return [
    leaks === 0
      ? `all ${dropped} pings of the attacker until then were dropped`
      : `pings came through ${leaks} times while they were blocked: this should not be`,
    changesAfter === 0
      ? '0 changes to the three firewalls after the kill: each kernel let go by its own clock'
      : `${changesAfter} changes to the firewalls after the kill: this should not be`,
  ]
}

/** What became of the flow that was open is told as it was seen, whichever it was. */
function flowLines({ flows }: Facts): string[] {
  const { attacker: seen, start } = flows
  const at = (ended: Ended) => print(ended.at / 1e6 - start)
  if (!seen.freed)
    return [
      result(
        'TCP flow',
        `the attacker's was silent for ${print(seen.longestSilence / 1e6)} ms (TCP retries ever more slowly),`,
      ),
      result('', 'then the same flow went on: its packets were dropped, its sockets not freed'),
    ]
  const back =
    seen.again === undefined
      ? 'never came back'
      : `a new one came in at ${print(seen.again / 1e6 - start)}`
  return [
    result(
      'TCP flow',
      `the attacker's was cut and its socket on web-1 freed at ${at(seen.freed)} ms;`,
    ),
    result('', back),
  ]
}

function visitorSentence({ visitor, flows }: Facts): string {
  const { sent, answered } = visitor
  const flow = whole(flows.visitor) ? 'TCP flow whole' : 'TCP flow broken'
  return `${sent - answered} of ${sent} pings lost, ${flow}`
}

/** Every byte that was sent has arrived over the one flow. */
export function whole({ sent, received, freed, reset }: FlowSeen): boolean {
  return sent === received && !freed && !reset
}

export function last(times: readonly number[]): number {
  return Math.max(...times)
}

function lastBack({ cuts }: Act): number {
  return last(cuts.map(({ firstIn = Number.NaN }) => firstIn))
}

export function heading(number: number | string, text: string): string {
  return paint('bold', `${number} ${text}`)
}

export function moment(at: number, text: string): string {
  return `${print(at).padStart(10)}  ${text}`
}

export function note(text: string): string {
  return `${' '.repeat(12)}${paint('dim', text)}`
}

function result(what: string, text: string): string {
  return `  ${what.padEnd(16)} ${text}`
}

/** Cells may hold escape codes, which take no room. */
function columns(what: string, cells: readonly string[]): string {
  const right = cells.map((cell) => ' '.repeat(Math.max(0, 11 - plain(cell).length)) + cell)
  return `${' '.repeat(12)}${what.padEnd(42)}${right.join('')}`
}

function plain(text: string): string {
  return text.replace(/\u001b\[\d+m/g, '')
}

/** One decimal, thousands apart: `5 003.2`. */
export function print(ms: number): string {
  return ms.toFixed(1).replace(/\B(?=(\d{3})+\.)/, ' ')
}
