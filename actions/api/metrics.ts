/** The figures for Prometheus. What grows is counted as it happens; nothing here reads a whole table but that of nodes. */
import type { SourceState } from '../facts/source.ts'
import type { Counted } from '../flow/counts.ts'
import type { Flow } from '../flow/flow.ts'
import type { SourceHealth } from '../flow/pull.ts'
import { listNodes } from '../store/nodes.ts'
import { countBlocks, countWaiting } from '../store/tallies.ts'
import { showNode } from './shapes.ts'

export async function printMetrics(flow: Flow): Promise<string> {
  const now = flow.now()
  const { inForce, recent } = await countBlocks(flow.store.read, now, now - 60_000)
  const waiting = await countWaiting(flow.store.read)
  const nodes = await listNodes(flow.store.read)
  const states = Map.groupBy(nodes, (node) => showNode(node, false, now).state)
  return [
    metric('cordon_blocks_in_force', 'gauge', 'Decisions that block now', [['', inForce]]),
    metric('cordon_blocks_last_minute', 'gauge', 'Blocks issued by the policy in the last minute', [
      ['', recent],
    ]),
    metric('cordon_decisions_waiting', 'gauge', 'Decisions that wait for a person', [
      ['', waiting],
    ]),
    counter(flow, 'alerts', 'source', 'Alerts recorded since the start, by connector'),
    counter(flow, 'verdicts', 'verdict', 'Alerts judged since the start, by verdict'),
    counter(flow, 'receipts', 'status', 'Receipts taken since the start, by status'),
    counter(flow, 'stopped', 'node', 'Packets stopped since the start, by node'),
    metric(
      'cordon_nodes',
      'gauge',
      'Nodes, by state',
      labelled(
        'state',
        [...states].map(([s, n]) => [s, n.length]),
      ),
    ),
    metric('cordon_streams', 'gauge', 'Nodes connected now', [['', flow.hub.count()]]),
    metric('cordon_alerts_waiting', 'gauge', 'Alerts that wait to be recorded', [
      ['', flow.recorder.waiting()],
    ]),
    metric('cordon_alerts_pending', 'gauge', 'Alerts and short blocks that wait for a provider', [
      ['', flow.asking.waiting()],
    ]),
    ...sourceMetrics(flow.sources.states()),
    ...connectorMetrics(flow.followed),
    metric('process_resident_memory_bytes', 'gauge', 'Resident memory', [
      ['', process.memoryUsage.rss()],
    ]),
  ].join('')
}

/** None where there is no source. */
function sourceMetrics(states: readonly SourceState[]): string[] {
  if (states.length === 0) return []
  const ready = states.map(({ name, state }) => [name, state === 'ready' ? 1 : 0] as const)
  const ages = states.flatMap(({ name, age }) =>
    age === undefined ? [] : [[name, Math.round(age / 1_000)] as const],
  )
  return [
    metric(
      'cordon_source_ready',
      'gauge',
      'Sources of facts: 0 is silent',
      labelled('source', ready),
    ),
    metric('cordon_source_age_seconds', 'gauge', 'Age of what each says', labelled('source', ages)),
  ]
}

/** None where no connector follows, tells or serves anybody. */
function connectorMetrics(followed: readonly SourceHealth[]): string[] {
  if (followed.length === 0) return []
  const each = (value: (part: SourceHealth) => number | undefined) =>
    followed.flatMap((part) => {
      const number = value(part)
      return number === undefined ? [] : [[`${part.connector}, ${part.source}`, number] as const]
    })
  const ready = each(({ state }) => (state === 'following' ? 1 : 0))
  const refused = each((part) => part.refused)
  const waiting = each((part) => part.waiting)
  return [
    metric(
      'cordon_connector_ready',
      'gauge',
      'Parts of connectors: 0 is failing or away',
      labelled('part', ready),
    ),
    metric(
      'cordon_connector_refused_total',
      'counter',
      'Records and results that could not be taken since the start',
      labelled('part', refused),
    ),
    ...(waiting.length === 0
      ? []
      : [
          metric(
            'cordon_results_waiting',
            'gauge',
            'Results that are still to be told',
            labelled('part', waiting),
          ),
        ]),
  ]
}

type Sample = [labels: string, value: number]

function metric(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`).join('')
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines}`
}

function labelled(label: string, counts: readonly (readonly [string, number])[]): Sample[] {
  return counts.map(([value, n]) => [`{${label}="${value.replace(/["\\\n]/g, '_')}"}`, n])
}

/** Begins at nothing with the service, as Prometheus expects of a counter. */
function counter(flow: Flow, what: Counted, label: string, help: string): string {
  return metric(`cordon_${what}_total`, 'counter', help, labelled(label, flow.counts.of(what)))
}
