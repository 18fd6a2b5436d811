/** A result as one line of JSON: its document with an id, and with a mark that it is of Cordon. Pure. */
import type { Result } from '#contract/result.ts'
import { isObject, type JsonObject } from '../read-path.ts'

/**
 * With its line end; undefined when even what cannot be left out is too long. `event.id` is the same at every try.
 * `integration` is what Wazuh's rules look for, and by which the connector wazuh knows that it is no attack.
 */
export function printLine({ id, document }: Result, longest: number): Buffer | undefined {
  const event = isObject(document.event) ? document.event : {}
  const whole = { ...document, event: { ...event, id }, integration: 'cordon' }
  return [whole, withoutStates(whole)]
    .map((one) => Buffer.from(`${JSON.stringify(one)}\n`))
    .find(({ length }) => length <= longest)
}

/** A change of the policy holds two whole policies. */
function withoutStates(document: JsonObject): JsonObject {
  const {
    before: _before,
    after: _after,
    ...cordon
  } = isObject(document.cordon) ? document.cordon : {}
  return { ...document, cordon: { ...cordon, cut: true } }
}
