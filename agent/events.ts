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
    for (const { at, next } of lineEnds(whole)) {
      const event = this.#line(whole.slice(from, at))
      if (event) events.push(event)
      from = next
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
      // With the name of the field, so that empty lines count as well.
      this.#size += line.length
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

/**
 * Lines end with LF, CR or CRLF. A CR at the very end waits: its LF may be in the next piece. Each is looked for only
 * from the last one on: a text of many lines must not be gone through once for each.
 */
function* lineEnds(text: string): Generator<{ at: number; next: number }> {
  let lf = text.indexOf('\n')
  let cr = text.indexOf('\r')
  while (lf >= 0 || cr >= 0) {
    const plain = cr < 0 || (lf >= 0 && lf < cr)
    if (!plain && cr === text.length - 1) return
    const at = plain ? lf : cr
    const next = !plain && text[cr + 1] === '\n' ? at + 2 : at + 1
    yield { at, next }
    if (lf >= 0 && lf < next) lf = text.indexOf('\n', next)
    if (cr >= 0 && cr < next) cr = text.indexOf('\r', next)
  }
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
