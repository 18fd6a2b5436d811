/** The line that execd writes to an active response, of Wazuh 4.x and 5.x, as the order that it is. Pure. */
import type { ActiveResponse } from '#contract/active-response.ts'
import type { Alert } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { isObject, type JsonObject, numberAt, textAt } from '../read-path.ts'
import { notUnderstood, readObject } from '../read-record.ts'

const expected = 'the line that execd gives to an active response'

const orders: ReadonlyMap<string, ActiveResponse['order']> = new Map([
  ['add', 'block'],
  ['enable', 'block'],
  ['delete', 'lift'],
  ['disable', 'lift'],
])

/** `read` is how an alert is read elsewhere too: who the attacker is does not hang on the way by which the alert came. */
export function readOrder(record: unknown, read: (alert: JsonObject) => Alert[]): ActiveResponse {
  const message = readObject(record, expected)
  const command = textAt(message, 'command')
  const order = orders.get(command ?? '')
  if (order === undefined)
    throw notUnderstood(`the command is ${printable(`"${command}"`, 40)}, which is none`, expected)
  const alert = alertOf(message)
  const targets = read(alert).flatMap(({ attacker }) => attacker ?? [])
  if (targets.length === 0) throw namesNobody(alert)
  const seconds = numberAt(message, 'wazuh.active_response.stateful_timeout') ?? 0
  return {
    order,
    targets: [...new Set(targets)],
    because: because(alert),
    ...(seconds > 0 && { lengthMs: seconds * 1_000 }),
  }
}

/** 5.x gives a document with the address beside it. What the API of 4.x orders has no rule, often nothing but `srcip`. */
function alertOf(message: JsonObject): JsonObject {
  const { parameters } = message
  const given = isObject(parameters) && isObject(parameters.alert) ? parameters.alert : undefined
  const alert = given ?? { data: { srcip: textAt(message, 'source.ip') } }
  return textAt(alert, 'rule.id') === undefined ? { ...alert, rule: { id: noRule } } : alert
}
const noRule = 'none'

function because(alert: JsonObject): string {
  const id = textAt(alert, 'rule.id')
  if (id === noRule || id === undefined) return 'no rule named'
  const description = textAt(alert, 'rule.description')
  return printable(`rule ${id}${description === undefined ? '' : `: ${description}`}`, 150)
}

function namesNobody(alert: JsonObject): Problem {
  return new Problem('invalid_input', `the alert (${because(alert)}) names no attacker`, {
    remedy: 'give the active response to rules whose alerts name one: connectors/wazuh/README.md',
  })
}
