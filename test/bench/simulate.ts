/** A million stored alerts replayed under two policies, from a database that is generated. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { defaultPolicyFile } from '../../actions/policy-in-force.ts'
import { startSimulation } from '../../actions/simulate/simulation.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { type Figure, rounded } from './figure.ts'

const alerts = 1_000_000
const attackers = 200_000
const until = Date.UTC(2026, 2, 8)
const since = until - 7 * 86_400_000

export async function measureSimulation(): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-'))
  const file = join(dir, 'cordon.db')
  try {
    await (await openStore(openSqlite(file))).close()
    generate(file)
    const inForce = readFileSync(defaultPolicyFile, 'utf8')
    const draft = inForce.replace('severity >= 70', 'severity >= 65')
    const before = process.memoryUsage.rss()
    const started = performance.now()
    const cpu = process.cpuUsage()
    let most = 0
    const simulation = startSimulation({
      what: 'simulate',
      file,
      since,
      until,
      inForce,
      drafts: [draft],
      protect: [],
      around: { own: [], sheltered: [] },
    })
    for await (const told of simulation.messages) {
      most = Math.max(most, process.memoryUsage.rss())
      if ('problem' in told) throw told.problem
    }
    const seconds = (performance.now() - started) / 1_000
    const used = process.cpuUsage(cpu)
    const busy = Math.round((used.user + used.system) / 1_000_000)
    const grown = Math.round((most - before) / 1_048_576)
    const detail = `${alerts} alerts of ${attackers} attackers under two policies; ${busy} s of processor, ${grown} MB more at most`
    return [{ name: 'simulate_1m_s', value: rounded(seconds), unit: 's', goal: '<= 60', detail }]
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** One transaction, prepared inserts: as the service writes alerts that are watched. */
function generate(file: string): void {
  const db = new DatabaseSync(file)
  db.exec('pragma synchronous = off; begin')
  const alert = db.prepare(`insert into alerts
    (id, source, observed, received, attacker, offender, rule, severity, user, port, count, decision, body, victim)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)`)
  const decision = db.prepare(`insert into decisions
    (id, state, outcome, origin, target, offender, audience, created, verdict, alerts)
    values (?, 'noted', 'watch', 'policy', ?, ?, '[]', ?, '{"reasons":[{"code":"no_rule_matched"}],"would":null}', 1)`)
  for (let n = 0; n < alerts; n++) {
    const at = since + Math.floor((n * (until - since)) / alerts)
    const { id, attacker, rule, severity, victim, user, body } = made(n, at)
    alert.run(
      id,
      'wazuh',
      at,
      at,
      attacker,
      attacker,
      rule,
      severity,
      user,
      22,
      `d-${id}`,
      body,
      victim,
    )
    decision.run(`d-${id}`, attacker, attacker, at)
  }
  db.exec('commit')
  db.close()
}

const original = `{"agent":{"id":"001","name":"web-01"},"full_log":"${'sshd '.repeat(160)}"}`

/** A few attackers come again and again, most come a few times. */
function made(n: number, at: number) {
  const id = `wazuh-${n.toString(16).padStart(24, '0')}`
  const attacker = hostOf(n % 4 === 0 ? n % 97 : (n * 7_919) % attackers)
  const rule = `${5_700 + (n % 90)}`
  const severity = (n * 31) % 100
  const [victim, user] = [`web-${n % 40}`, `user${n % 13}`]
  const time = new Date(at).toISOString()
  const body = JSON.stringify({
    version: 1,
    id,
    source: 'wazuh',
    observed: time,
    received: time,
    rule: {
      id: rule,
      name: 'sshd: brute force',
      severity,
      groups: groups[n % 4],
      mitre: ['T1110'],
    },
    attacker,
    victim: { host: victim, port: 22 },
    user,
    count: 1,
    original,
    original_cut: false,
  })
  return { id, attacker, rule, severity, victim, user, body }
}

const groups = [['sshd', 'authentication_failed'], ['web', 'attack'], ['recon'], ['syslog']]

/** In 198.18.0.0/15 and what follows it within the database; nothing is sent there. */
function hostOf(n: number): string {
  return `${11 + (n >>> 16)}.${(n >>> 8) & 255}.${n & 255}.7`
}
