/** What a person sees of the dry demo. */
import { printable } from '#contract/printable.ts'
import { attacker, nodes } from './network.ts'
import type { DryFacts, DryScene } from './play-dry.ts'
import { bold, heading, heads, judgement, moment, note, out, print, who } from './screen.ts'

export const dryScene: DryScene = {
  begin: (why) =>
    out(
      [
        `${bold('Cordon, dry run.')} Nothing is enforced: ${printable(why)}.`,
        '',
        who('service', '127.0.0.1', 'judges alerts, signs what to block, streams it to nodes'),
        who(
          'nodes',
          nodes.map(({ name }) => name).join(' '),
          'an enrolled agent each, which says what it would do',
        ),
        who('attacker', attacker.address4, 'only a name here: no packet is sent'),
        '',
      ],
      'starting all of them',
    ),
  ended: (facts) => out(lines(facts)),
}

function lines({ judged, signed, answered, decision, would }: DryFacts): string[] {
  return [
    heading('1', heads[1]),
    moment(0, 'alert sent'),
    ...judgement({ target: attacker.address4, judged, signed, answered, decision }),
    '',
    heading('2', 'Each node verified the signature, and would now tell its kernel'),
    ...would.flatMap(({ at, script }, index) => [
      moment(at, bold(nodes[index]?.name ?? '')),
      ...script.split('\\u{a}').map(note),
    ]),
    '',
    heading('=', 'What it comes to'),
    `  ${print(Math.max(...would.map(({ at }) => at)))} ms after the alert, all three nodes knew what to do, and did nothing: it is a dry run.`,
    '  The real thing, with kernels, packets and an attacker, in namespaces that leave nothing behind:',
    `    ${bold('sudo npm run demo')}   on Linux with nftables, iproute2 and util-linux`,
  ]
}
