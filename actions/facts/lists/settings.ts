/** Which lists of addresses are read, from where, how often, and what they are used for. */
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { placeSources } from '../../decide/outside.ts'

const listFormats = ['auto', 'netset', 'text', 'drop_json', 'json', 'csv'] as const
export type ListFormat = (typeof listFormats)[number]

const hourMs = 3_600_000

export const ListSettings = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,59}$/, 'write lower-case letters, digits, _ and -')
      .refine(
        (name) => !placeSources.some((taken) => taken === name),
        `these names are taken: ${placeSources.join(', ')}`,
      )
      .meta({ description: 'what the policy calls it', example: 'spamhaus_drop' }),
    url: z
      .url()
      .refine(isAllowedUrl, 'write an https address without user and password')
      .optional()
      .meta({ description: 'where it is fetched: HTTPS, or HTTP from this machine itself' }),
    file: z.string().min(1).optional().meta({ description: 'or the file that holds it' }),
    format: z.enum(listFormats).default('auto').meta({
      description: 'auto looks at the text; json is an array, drop_json one object a line',
    }),
    column: z.string().min(1).optional().meta({
      description: 'csv: name or number of the column with addresses; json: the key',
    }),
    interval: Duration.prefault('1h')
      .refine((ms) => ms >= 300_000, 'write 5m or more')
      .meta({ description: 'how often the URL is asked; a file is read when it changes' }),
    max_bytes: z.int().min(1).max(1_000_000_000).default(64_000_000).meta({
      description: 'a larger text is refused',
    }),
    max_entries: z.int().min(1).max(20_000_000).default(2_000_000).meta({
      description: 'a list with more addresses and networks is refused',
    }),
    widest: z
      .strictObject({
        4: z.int().min(0).max(32).default(8),
        6: z.int().min(0).max(128).default(19),
      })
      .prefault({})
      .meta({ description: 'networks with a shorter prefix are left out, by family' }),
    shrink_limit: z.number().min(0.1).max(1).default(0.9).meta({
      description: 'a list that lost this part of its entries is refused; 1 takes any',
    }),
    enforce: z.boolean().default(false).meta({
      description: 'nodes block the whole list; without it the list only gives facts',
    }),
    audience: z
      .array(Audience)
      .min(1)
      .default(['all'])
      .meta({ description: 'which nodes enforce it: all, group/<name> or node/<name>' }),
  })
  .refine(({ url, file }) => (url === undefined) !== (file === undefined), {
    message: 'write either url or file',
  })
  .refine(({ url, interval }) => !isSpamhaus(url) || interval >= hourMs, {
    path: ['interval'],
    message: 'Spamhaus allows one fetch an hour: write 1h or more',
  })
export type ListSettings = z.infer<typeof ListSettings>

export const ListsSettings = z
  .array(ListSettings)
  .refine((lists) => new Set(lists.map(({ name }) => name)).size === lists.length, {
    message: 'two lists have the same name',
  })
export type ListsSettings = z.infer<typeof ListsSettings>

export function isSpamhaus(url: string | undefined): boolean {
  return url !== undefined && /(^|\.)spamhaus\.(org|com)$/.test(new URL(url).hostname)
}

/** What is asked over the network cannot be changed on its way. */
export function isAllowedUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.username + url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}
