/** What is asked of TheHive 5 over its API: alerts of ours, their comments, and who we are. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { type Change, HiveAlert, type NewAlert, reviewType, tags } from './alert.ts'
import { notTheHive, openRequest } from './request.ts'
import type { Settings } from './settings.ts'

/** Alerts in one answer, and all that are looked at: the newest, for older questions have timed out. */
const pageSize = 100
const mostPages = 20

const Account = z.object({
  login: z.string(),
  organisation: z.string().optional(),
  permissions: z.array(z.string()).default([]),
})
export type Account = z.output<typeof Account>

const Comment = z.object({ message: z.string() })
const Status = z.object({
  version: z.string().optional(),
  versions: z.object({ TheHive: z.string().optional() }).optional(),
})

/** Everything throws as request.ts says, and `service_unreachable` for an answer in no known shape. */
export type TheHive = {
  /** `known` when there is one of this type and reference already. */
  create(alert: NewAlert, stop: AbortSignal): Promise<'created' | 'known'>
  /** Ours of this type and reference. */
  find(type: string, sourceRef: string, stop: AbortSignal): Promise<HiveAlert | undefined>
  /** Questions of ours that are not settled, newest first. */
  unsettled(stop: AbortSignal): Promise<HiveAlert[]>
  /** As it is now; undefined when it was deleted. */
  get(id: string, stop: AbortSignal): Promise<HiveAlert | undefined>
  change(id: string, change: Change, stop: AbortSignal): Promise<void>
  comments(id: string, stop: AbortSignal): Promise<string[]>
  comment(id: string, message: string, stop: AbortSignal): Promise<void>
  account(stop: AbortSignal): Promise<Account>
  /** Undefined when it does not tell. */
  version(stop: AbortSignal): Promise<string | undefined>
}

/** Throws `setting_invalid`. */
export function openTheHive(settings: Settings): TheHive {
  const request = openRequest(settings)
  const query = async <T>(shape: z.ZodType<T>, steps: object[], stop: AbortSignal) =>
    read(z.array(shape), await request('POST', 'query', { query: steps }, stop))
  const ours = (type: string) => [is('type', type), is('source', settings.source)]
  const list = (filters: object[], from: number, stop: AbortSignal) =>
    query(
      HiveAlert,
      [
        { _name: 'listAlert' },
        { _name: 'filter', _and: filters },
        { _name: 'sort', _fields: [{ _createdAt: 'desc' }] },
        { _name: 'page', from, to: from + pageSize },
      ],
      stop,
    )
  const find: TheHive['find'] = async (type, sourceRef, stop) =>
    (await list([...ours(type), is('sourceRef', sourceRef)], 0, stop))[0]

  return {
    find,
    create: async (alert, stop) => {
      const { source, tlp, pap } = settings
      try {
        await request('POST', 'alert', { ...alert, source, tlp, pap }, stop)
        return 'created'
      } catch (error) {
        // A second one of the same reference is refused, and so is much else: what is there says which it was.
        if (!(error instanceof Problem) || error.code !== 'invalid_input') throw error
        if (await find(alert.type, alert.sourceRef, stop)) return 'known'
        throw error
      }
    },
    unsettled: async (stop) => {
      const filters = [...ours(reviewType), { _not: is('tags', tags.settled) }]
      const found: HiveAlert[] = []
      for (let page = 0; page < mostPages; page++) {
        const some = await list(filters, page * pageSize, stop)
        found.push(...some)
        if (some.length < pageSize) break
      }
      return found
    },
    get: async (id, stop) => {
      try {
        return read(HiveAlert, await request('GET', `alert/${id}`, undefined, stop))
      } catch (error) {
        if (error instanceof Problem && error.code === 'not_found') return undefined
        throw error
      }
    },
    change: async (id, change, stop) => {
      await request('PATCH', `alert/${id}`, change, stop)
    },
    comments: async (id, stop) => {
      const steps = [{ _name: 'getAlert', idOrName: id }, { _name: 'comments' }]
      return (await query(Comment, steps, stop)).map(({ message }) => message)
    },
    comment: async (id, message, stop) => {
      await request('POST', `alert/${id}/comment`, { message }, stop)
    },
    account: async (stop) => read(Account, await request('GET', 'user/current', undefined, stop)),
    version: async (stop) => {
      const told = Status.safeParse(await request('GET', 'status/public', undefined, stop)).data
      return told?.versions?.TheHive ?? told?.version
    },
  }
}

function is(field: string, value: string): object {
  return { _eq: { _field: field, _value: value } }
}

function read<T>(shape: z.ZodType<T>, answer: unknown): T {
  const result = shape.safeParse(answer)
  if (result.success) return result.data
  throw notTheHive(result.error)
}
