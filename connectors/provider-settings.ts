/** Settings that every provider of intelligence has: the key, where it is asked, how long it is waited for. */
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'

/** No default: nobody can be asked without one. What a header cannot carry is refused here and not when it is sent. */
export const ApiKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,500}$/, 'expected a key without blanks or line ends')
  .optional()
  .meta({ description: 'key of the account; without it nobody is asked' })

/** The key goes there, so it is HTTPS, or this very machine. */
export function baseUrl(vendors: string) {
  return z
    .url()
    .refine(isPrivate, 'expected https, or http on loopback, without user, query or fragment')
    .transform((text) => text.replace(/\/+$/, ''))
    .prefault(vendors)
    .meta({ description: 'where it is asked; another place for a proxy of your own' })
}

export const Timeout = Duration.prefault('2s').meta({
  description: 'how long one answer is waited for; what comes later is lost',
})

/** Numbers come as text from the environment. */
export function requests(per: string, standard: number) {
  return z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .default(standard)
    .meta({ description: `requests ${per} that the account may make` })
}

/** Undefined when there is a key; otherwise why nobody can be asked. */
export function keyMissing(name: string, key: string | undefined): Problem | undefined {
  if (key !== undefined) return undefined
  const variable = `CORDON_${name.toUpperCase()}_API_KEY`
  return new Problem('setting_invalid', `${name} has no key, so it is never asked`, {
    remedy: `set ${variable} or ${variable}_FILE, or api_key in the section of ${name}`,
  })
}

function isPrivate(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}
