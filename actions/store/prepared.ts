/** Queries of the way of every alert: built and compiled once, then run with other values. Building costs more than running. */
import { type Compilable, type CompiledQuery, type RawBuilder, sql } from 'kysely'
import type { Reader, Writer } from './store.ts'

type Db = Reader | Writer
/** Names and values of one run. Every run has the same names, and none is left out. */
type Values = Record<string, unknown>

/** What stands in the query where a value will be. */
export type Slots<Of extends Values> = { readonly [Name in keyof Of]: RawBuilder<Of[Name]> }

/** Items that one statement takes: few sizes, so that few statements are kept, and a list of any length needs few of them. */
const sizes = [100, 25, 10, 5, 2, 1]

/**
 * The query must not depend on anything but its slots. For a limit that is bound SQLite plans anew at every run, so
 * what is asked for each alert writes it with `sql.lit`.
 */
export function prepared<Of extends Values, Row>(
  build: (db: Db, slots: Slots<Of>) => Compilable<Row>,
): (db: Db, values: Of) => Promise<Row[]> {
  const compiled = keepCompiled<Row>()
  return (db, values) => {
    const query = compiled(db, 1, () => build(db, slotsOf(values, 0)))
    return run(db, query, [values])
  }
}

/** The same for a list, which is run in pieces: what the query says of one item must not depend on the others. */
export function preparedList<Of extends Values, Row>(
  build: (db: Db, items: readonly Slots<Of>[]) => Compilable<Row>,
): (db: Db, items: readonly Of[]) => Promise<Row[]> {
  const compiled = keepCompiled<Row>()
  return async (db, items) => {
    const rows: Row[] = []
    for (const piece of piecesOf(items)) {
      const query = compiled(db, piece.length, () => build(db, piece.map(slotsOf)))
      rows.push(...(await run(db, query, piece)))
    }
    return rows
  }
}

/** The same for `where … in`, which takes texts, and for which it is no matter how often one is among them. */
export function preparedIn<Row>(
  build: (db: Db, texts: readonly RawBuilder<string>[]) => Compilable<Row>,
): (db: Db, texts: readonly string[]) => Promise<Row[]> {
  const list = preparedList((db, items: readonly Slots<{ text: string }>[]) => {
    const texts = items.map(({ text }) => text)
    return build(db, texts)
  })
  return (db, texts) => {
    const items = texts.map((text) => ({ text }))
    return list(db, filledUp(items))
  }
}

/** With the last item so often that no more than one piece is less than the largest. */
function filledUp<Item>(items: readonly Item[]): readonly Item[] {
  const [largest = 1] = sizes
  const rest = items.length % largest
  const size = sizes.findLast((one) => one >= rest) ?? rest
  const last = items.slice(-1)
  return rest === 0 ? items : items.concat(...Array<readonly Item[]>(size - rest).fill(last))
}

/** By dialect and number of items. */
function keepCompiled<Row>() {
  const kept = new WeakMap<object, Map<number, CompiledQuery<Row>>>()
  return (db: Db, items: number, build: () => Compilable<Row>): CompiledQuery<Row> => {
    const { adapter } = db.getExecutor()
    const known = kept.get(adapter) ?? new Map<number, CompiledQuery<Row>>()
    const query = known.get(items) ?? build().compile()
    kept.set(adapter, known.set(items, query))
    return query
  }
}

async function run<Row>(
  db: Db,
  query: CompiledQuery<Row>,
  items: readonly Values[],
): Promise<Row[]> {
  const parameters = query.parameters.map((given) =>
    given instanceof Place ? items[given.item]?.[given.name] : given,
  )
  const { rows } = await db.executeQuery<Row>({ ...query, parameters })
  return rows
}

/** Among the parameters of a compiled query: of which item which value comes here. */
class Place {
  readonly item: number
  readonly name: string
  constructor(item: number, name: string) {
    this.item = item
    this.name = name
  }
}

function slotsOf<Of extends Values>(item: Of, index: number): Slots<Of> {
  const slots = Object.keys(item).map((name) => [name, sql`${new Place(index, name)}`])
  return Object.fromEntries(slots) as Slots<Of>
}

function* piecesOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  let from = 0
  for (const size of sizes)
    for (; items.length - from >= size; from += size) yield items.slice(from, from + size)
}
