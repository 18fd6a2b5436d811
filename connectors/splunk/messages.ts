/** What Splunk says beside results. */
import { isObject, textAt } from '../read-path.ts'

export type Message = { type: string; text: string }

export function messagesIn(value: unknown): Message[] {
  const messages = isObject(value) && Array.isArray(value.messages) ? value.messages : []
  return messages.map((one) => ({
    type: textAt(one, 'type') ?? '',
    text: textAt(one, 'text') ?? '',
  }))
}
