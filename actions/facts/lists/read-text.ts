/** Lists with one host or network a line: netset and ipset files of FireHOL, Spamhaus DROP as text, and plain text. */
import { readHeading } from './read-heading.ts'
import { type ListReader, linesOf } from './sink.ts'

export const readText: ListReader = (text, sink) => {
  for (const line of linesOf(text)) {
    if (/^(#|;|\/\/)/.test(line)) readHeading(line, sink)
    else sink.entry(/^[^\s;#,]*/.exec(line)?.[0] ?? '')
  }
}
