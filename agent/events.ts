/** Server-sent events out of text that arrives cut anywhere (WHATWG HTML, section 9.2). */
import { Problem } from '#contract/problem.ts'

export type StreamEvent = { event: string; data: string; id: string }

/** An envelope of 1,000 actions is about 400 KB; what never ends must not fill the memory. */
const longestEvent = 8 * 1024 * 1024

export class EventReader {
  #rest = ''
  #event = ''
  #data: string[] = []
  #size = 0
  #id = ''
  #begun = false

  /** The events that this text completes. Throws `too_large`. */
  push(text: string): StreamEvent[] {
    const whole = this.#begin(this.#rest + text)
    const events: StreamEvent[] = []
    let from = 0
    for (;;) {
      const end = lineEnd(whole, from)
      if (end === undefined) break
      const event = this.#line(whole.slice(from, end.at))
      if (event) events.push(event)
      from = end.next
    }
    this.#rest = whole.slice(from)
    if (this.#rest.length + this.#size > longestEvent) throw endless()
    return events
  }

  #begin(text: string): string {
    if (this.#begun || text === '') return text
    this.#begun = true
    return text.startsWith('\ufeff') ? text.slice(1) : text
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'data') {
      this.#data.push(value)
      this.#size += value.length
    }
    return undefined
  }

  #dispatch(): StreamEvent | undefined {
    const event = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id }
    const empty = this.#data.length === 0
    this.#event = ''
    this.#data = []
    this.#size = 0
    return empty ? undefined : event
  }
}

/** Lines end with LF, CR or CRLF. A CR at the very end waits: its LF may be in the next piece. */
function lineEnd(text: string, from: number): { at: number; next: number } | undefined {
  const lf = text.indexOf('\n', from)
  const cr = text.indexOf('\r', from)
  if (cr < 0 || (lf >= 0 && lf < cr)) return lf < 0 ? undefined : { at: lf, next: lf + 1 }
  if (cr === text.length - 1) return undefined
  return { at: cr, next: text[cr + 1] === '\n' ? cr + 2 : cr + 1 }
}

function endless(): Problem {
  return new Problem(
    'too_large',
    `an event of the stream is longer than ${longestEvent} characters`,
    {
      remedy: 'look at what relays the traffic between this node and the service',
    },
  )
}
