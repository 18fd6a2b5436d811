/** Records as the vendors write them, of now, from an attacker. */

let numbers = 0

export function wazuhAlert(attacker: string): string {
  const number = ++numbers
  return JSON.stringify({
    timestamp: new Date().toISOString().replace('Z', '+0000'),
    rule: {
      level: 10,
      description: 'sshd: brute force trying to get access to the system. Authentication failed.',
      id: '5763',
      frequency: 8,
      groups: ['syslog', 'sshd', 'authentication_failures'],
      mitre: { id: ['T1110'] },
    },
    agent: { id: '007', name: 'shop-web-1', ip: '10.1.2.3' },
    manager: { name: 'wazuh-a' },
    id: `${Math.floor(Date.now() / 1_000)}.${1_000 + number}`,
    decoder: { name: 'sshd' },
    data: { srcip: attacker, srcport: '51423', dstuser: 'root' },
    location: '/var/log/auth.log',
  })
}

export function eveAlert(attacker: string): string {
  return JSON.stringify({
    timestamp: new Date().toISOString().replace('Z', '000+0000'),
    flow_id: 900_000 + ++numbers,
    in_iface: 'eth1',
    event_type: 'alert',
    src_ip: attacker,
    src_port: 40_000,
    dest_ip: homeOf(attacker),
    dest_port: 443,
    proto: 'TCP',
    alert: {
      action: 'allowed',
      gid: 1,
      signature_id: 2_030_100,
      rev: 1,
      signature: 'ET EXPLOIT example',
      category: 'Attempted Administrator Privilege Gain',
      severity: 1,
    },
  })
}

/** In UTC. */
export function fastAlert(attacker: string): string {
  const [date = '', time = ''] = new Date().toISOString().replace('Z', '').split('T')
  const [year, month, day] = date.split('-')
  const what = `[1:${2_030_000 + ++numbers}:2] ET EXPLOIT example [**]`
  const kind = '[Classification: Attempted Administrator Privilege Gain] [Priority: 1]'
  const sides = `${attacker}:40000 -> ${homeOf(attacker)}:443`
  return `${month}/${day}/${year}-${time}000  [**] ${what} ${kind} {TCP} ${sides}`
}

export function webhookBody(attacker: string): string {
  return JSON.stringify({ id: `w${++numbers}`, attacker, rule: 'honeypot login', severity: 'high' })
}

function homeOf(attacker: string): string {
  return attacker.includes(':') ? 'fd00::2' : '10.5.5.5'
}
