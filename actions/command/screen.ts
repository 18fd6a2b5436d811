/** What a person sees when the service has started, and what to paste next. */
import type { Connector } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import type { Service } from '../service.ts'
import type { Io } from './command.ts'
import { paint, printFields } from './paint.ts'

export type LocalNode = {
  name: string
  enforcing: boolean
  backend: string
  dataDir: string
  /** Where its agent keeps its state, for the commands that ask the agent. */
  stateDir: string
  /** The file that holds the table which the dry run would make. */
  table: string | undefined
}

/** `tokenFile` holds the admin token when one was made: what is printed here may end in the journal of the machine. */
export function printServeScreen(io: Io, url: string, tokenFile: string | undefined): string {
  const lines = [paint(io, 'out', 'bold', `Cordon serves at ${url}`)]
  if (tokenFile !== undefined) lines.push(`The admin token is in ${printable(tokenFile, 1_000)}`)
  return `${lines.join('\n')}\n`
}

export function printStartScreen(
  io: Pick<Io, 'screen' | 'self'>,
  service: Service,
  node: LocalNode,
): string {
  const { url, adminToken, flow } = service
  const bold = (text: string) => paint(io, 'out', 'bold', text)
  const policy = flow.policy.current()
  const others = namesOf(flow, ({ read }) => read === undefined)
  return [
    bold(`Cordon is up at ${url}`),
    printFields([
      [
        'policy',
        `${policy.rules.length} rules, ${policy.tests.length} tests pass, mode ${policy.mode}`,
      ],
      ['alerts from', namesOf(flow, ({ read }) => read !== undefined)],
      ...(others === '' ? [] : [['and with', others] as const]),
      ['kept in', node.dataDir],
      ['this node', `${node.name}, ${wayOf(node)}`],
      ['its table', node.table],
    ]).trimEnd(),
    '',
    ...(adminToken === undefined
      ? [
          'The admin token was shown at the first start: export CORDON_TOKEN=…',
          `Lost? Stop this; ${io.self} start --new-admin-token shows another`,
        ]
      : tokenLines(io, adminToken)),
    '',
    bold('Next, in another terminal (with CORDON_TOKEN set)'),
    '',
    // It would be refused where nobody reads it.
    ...(flow.connectors.has('wazuh')
      ? ['1. send an alert, as Wazuh does:', '', sampleAlert(url), '']
      : [`1. see who can be reached  ${io.self} connector list`]),
    `2. see what was decided   ${io.self} decision list`,
    `3. ask why                ${io.self} why 203.0.113.7`,
    `4. let it go              ${io.self} lift 203.0.113.7 --reason "false alarm"`,
    `5. add another node       ${io.self} node enrol`,
    `6. ask this node          CORDON_AGENT_STATE_DIR=${node.stateDir} ${io.self} agent status`,
    '',
    paint(io, 'out', 'dim', 'Ctrl-C stops it. Blocks stay in the kernel until they end.'),
    '',
  ].join('\n')
}

/** What a dry run would have told the kernel. */
export function printPlan(io: Io, script: string): string {
  const lines = script.trimEnd().split('\n')
  return lines
    .map((line) => `${paint(io, 'out', 'yellow', 'would apply')}  ${printable(line, 2_000)}\n`)
    .join('')
}

function wayOf({ enforcing, backend }: LocalNode): string {
  return enforcing
    ? `enforces in nftables, by ${backend}`
    : 'dry run: touches nothing and prints what it would apply (as root: --enforce)'
}

function tokenLines(io: Pick<Io, 'screen'>, token: string): string[] {
  return [
    'The admin token, shown this once:',
    `  export CORDON_TOKEN=${paint(io, 'out', 'green', token)}`,
  ]
}

/** Whole and fresh: the policy judges no alert that is older than an hour. */
function sampleAlert(url: string): string {
  return `curl -sS ${url}/v1/alerts/wazuh -H "Authorization: Bearer $CORDON_TOKEN" -d @- <<END
{"timestamp": "$(date -u +%FT%T.000+0000)", "id": "$(date +%s).20517",
 "rule": {"level": 10, "id": "5763", "firedtimes": 1, "frequency": 8, "mail": false,
  "description": "sshd: brute force trying to get access to the system. Authentication failed.",
  "groups": ["syslog", "sshd", "authentication_failures"],
  "mitre": {"id": ["T1110"], "tactic": ["Credential Access"], "technique": ["Brute Force"]}},
 "agent": {"id": "007", "name": "web-01", "ip": "192.0.2.10"}, "manager": {"name": "wazuh"},
 "decoder": {"parent": "sshd", "name": "sshd"}, "location": "/var/log/auth.log",
 "full_log": "sshd[4711]: Failed password for root from 203.0.113.7 port 51423 ssh2",
 "data": {"srcip": "203.0.113.7", "srcport": "51423", "dstuser": "root"}}
END`
}

function namesOf({ connectors }: Service['flow'], fits: (connector: Connector) => boolean): string {
  const found = [...connectors.values()].filter(({ connector }) => fits(connector))
  return found.map(({ connector }) => connector.name).join(', ')
}
