/** What the demo tells Cordon: an alert as Wazuh posts it, a line as Suricata writes it, and a policy of short blocks. */
import { readFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { printTime } from '#contract/time.ts'
import { defaultPolicyFile } from '../../actions/policy-in-force.ts'

const sample: Record<string, object> = JSON.parse(
  readFileSync(new URL('../bench/wazuh-5763.json', import.meta.url), 'utf8'),
)
let alerts = 0

/** Rule 5763, ssh brute force. `seen` in epoch ms. */
export function wazuhAlert(attacker: string, victim: string, seen: number): string {
  const number = ++alerts
  return JSON.stringify({
    ...sample,
    timestamp: printTime(seen).replace('Z', '+0000'),
    id: `${Math.floor(seen / 1_000)}.${number}`,
    agent: { id: '001', name: 'web-1', ip: victim },
    full_log: `web-1 sshd[2519]: Failed password for root from ${attacker} port 43042 ssh2`,
    data: { ...sample.data, srcip: attacker },
  })
}

/** One event of eve.json with its line end. `seen` in epoch ms. */
export function suricataLine(attacker: string, victim: string, seen: number): string {
  const event = {
    timestamp: printTime(seen).replace('Z', '000+0000'),
    flow_id: 1_700_000_000 + ++alerts,
    in_iface: 'eth0',
    event_type: 'alert',
    src_ip: attacker,
    src_port: 40_000,
    dest_ip: victim,
    dest_port: 443,
    proto: 'TCP',
    alert: {
      action: 'allowed',
      gid: 1,
      signature_id: 2_030_100,
      rev: 1,
      signature: 'ET EXPLOIT attempt against a web application',
      category: 'Attempted Administrator Privilege Gain',
      severity: 1,
    },
  }
  return `${JSON.stringify(event)}\n`
}

/** The default policy, but every block as short as this: its end is to be seen. */
export function shortPolicy(length: string): string {
  const policy = parse(readFileSync(defaultPolicyFile, 'utf8'))
  for (const rule of policy.rules) {
    if (rule.for !== undefined) rule.for = length
    delete rule.escalate
  }
  return stringify({ ...policy, defaults: { ...policy.defaults, for: length }, tests: [] })
}
