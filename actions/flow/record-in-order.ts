/** Records what records said and took back so that of each statement the last word counts, in as few commits as that needs. */
import type { Alert } from '#contract/alert.ts'
import type { Withdrawal } from '#contract/withdrawal.ts'
import type { Recorded, Recorder } from './record.ts'
import type { Withdrawn } from './withdraw.ts'

/** What one record says, then takes back. */
export type Word = { alerts: readonly Alert[]; withdrawals: readonly Withdrawal[] }
export type Heard = { alerts: Recorded[]; withdrawn: Withdrawn[] }

/** Alerts are recorded before the withdrawals of the same layer; a statement that is made again is in the next one. */
type Layer = {
  alerts: { alert: Alert; index: number }[]
  withdrawals: { withdrawal: Withdrawal; index: number }[]
}

/** One answer for each word, in their order. */
export async function recordInOrder(recorder: Recorder, words: readonly Word[]): Promise<Heard[]> {
  const heard = words.map((): Heard => ({ alerts: [], withdrawn: [] }))
  for (const { alerts, withdrawals } of layersOf(words)) {
    const recorded = await recorder.record(alerts.map(({ alert }) => alert))
    for (const [at, { index }] of alerts.entries()) put(heard[index]?.alerts, recorded[at])
    const withdrawn = await recorder.withdraw(withdrawals.map(({ withdrawal }) => withdrawal))
    for (const [at, { index }] of withdrawals.entries()) put(heard[index]?.withdrawn, withdrawn[at])
  }
  return heard
}

function layersOf(words: readonly Word[]): Layer[] {
  const layers: Layer[] = []
  const nextLayer = new Map<string, number>()
  const layerAt = (statement: string | undefined): [number, Layer] => {
    const at = statement === undefined ? 0 : (nextLayer.get(statement) ?? 0)
    const layer = layers[at] ?? { alerts: [], withdrawals: [] }
    layers[at] = layer
    return [at, layer]
  }
  for (const [index, { alerts, withdrawals }] of words.entries()) {
    for (const alert of alerts) layerAt(alert.statement)[1].alerts.push({ alert, index })
    const places = withdrawals.map((withdrawal) => ({ withdrawal, place: layerAt(withdrawal.of) }))
    for (const { withdrawal, place } of places) {
      place[1].withdrawals.push({ withdrawal, index })
      nextLayer.set(withdrawal.of, place[0] + 1)
    }
  }
  return layers
}

function put<T>(list: T[] | undefined, item: T | undefined): void {
  if (item !== undefined) list?.push(item)
}
