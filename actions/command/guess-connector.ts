/** Which connector a record is for, found by letting all of them read it. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import type { Environment } from '#contract/settings.ts'
import { type RunningConnector, readRecord } from '../flow/receive.ts'
import { connectorNames, loadConnectors } from '../load-connectors.ts'

/** Records of a file that are tried: a file is of one product. */
const tried = 20

/** A record of no product; a connector that reads it reads almost anything, and is asked last. */
const ofNoProduct = { attacker: '203.0.113.1', rule: 'x' }

const nameOf = ({ connector }: RunningConnector) => connector.name

type Rank = {
  running: RunningConnector
  problems: number
  /** It makes alerts of the records and finds an attacker in none. */
  blind: boolean
  generic: boolean
  alerts: number
}

/** The connector of this name, or the one that understands most of the records. Throws `setting_*`, `invalid_input`. */
export async function chooseConnector(
  name: string | undefined,
  records: readonly unknown[],
  environment: Environment,
  now: number,
): Promise<RunningConnector> {
  const names = name === undefined ? connectorNames() : [name]
  const loaded = [...(await loadConnectors(names, {}, environment)).values()]
  const all = loaded.filter(({ connector }) => name !== undefined || connector.read)
  const ranks = all.map((running) => rank(running, records.slice(0, tried), now)).sort(better)
  const [best] = ranks
  if (!best) throw new Problem('internal', 'there is no connector')
  if (name === undefined && best.alerts === 0 && best.problems > 0)
    throw new Problem('invalid_input', 'no connector understands these records', {
      remedy: `name the one that should: --connector ${all.map(nameOf).join('|')}`,
    })
  return best.running
}

function rank(running: RunningConnector, records: readonly unknown[], now: number): Rank {
  const read = records.map((record) => readRecord(running, record, now))
  const alerts = read.flatMap((item): Alert[] => (item instanceof Problem ? [] : item))
  return {
    running,
    problems: read.filter((item) => item instanceof Problem).length,
    generic: !(readRecord(running, ofNoProduct, now) instanceof Problem),
    blind: alerts.length > 0 && alerts.every(({ attacker }) => attacker === undefined),
    alerts: alerts.length,
  }
}

function better(a: Rank, b: Rank): number {
  return (
    a.problems - b.problems ||
    Number(a.blind) - Number(b.blind) ||
    Number(a.generic) - Number(b.generic) ||
    b.alerts - a.alerts
  )
}
