/** The part of TheHive's query language that is used here; anything else is refused, so that no test stands on a wrong one. */
import { z } from 'zod'

const Equal = z.strictObject({
  _eq: z.strictObject({
    _field: z.enum(['type', 'source', 'sourceRef', 'tags', 'status', 'stage']),
    _value: z.string(),
  }),
})
const Not = z.strictObject({ _not: Equal })
const Filter = z.strictObject({
  _name: z.literal('filter'),
  _and: z.array(z.union([Equal, Not])).min(1),
})
const Sort = z.strictObject({
  _name: z.literal('sort'),
  _fields: z.tuple([z.strictObject({ _createdAt: z.literal('desc') })]),
})
const Page = z.strictObject({ _name: z.literal('page'), from: z.int(), to: z.int() })
const Get = z.strictObject({ _name: z.literal('getAlert'), idOrName: z.string() })
const List = z.strictObject({ _name: z.literal('listAlert') })
const Comments = z.strictObject({ _name: z.literal('comments') })

export type Step = z.output<typeof Filter> | z.output<typeof Sort> | z.output<typeof Page>

/** The comments of one alert. */
export const CommentsOf = z.strictObject({ query: z.tuple([Get, Comments]) })
/** Some of the alerts. */
export const Listing = z.strictObject({
  query: z.tuple([List], z.union([Filter, Sort, Page])),
})

export function matches(
  alert: Record<string, unknown>,
  { _and }: z.output<typeof Filter>,
): boolean {
  return _and.every((part) => ('_not' in part ? !equals(alert, part._not) : equals(alert, part)))
}

/** A list has what one of its members is. */
function equals(alert: Record<string, unknown>, { _eq }: z.output<typeof Equal>): boolean {
  const value = alert[_eq._field]
  return Array.isArray(value) ? value.includes(_eq._value) : value === _eq._value
}
