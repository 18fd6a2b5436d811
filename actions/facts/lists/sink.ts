/** What a reader of a format hands over while it goes through the text of a list. */
export type Sink = {
  /** Where a host or network should stand; what does not read as one is counted as unreadable. */
  entry(text: string): void
  /** A comment or a header: a text that has one and no entry is a list that is empty. */
  heading(): void
  /** Epoch ms at which the list says that it was made; the first counts. */
  made(ms: number): void
  /** How many entries the list says that it has. */
  promised(entries: number): void
}

/** `column` is what the settings name. Throws `invalid_input` for a text that is not whole or not of this format. */
export type ListReader = (text: string, sink: Sink, column?: string) => void

/** Each line without the white space around it. */
export function* linesOf(text: string): Generator<string> {
  let from = 0
  while (from < text.length) {
    const end = text.indexOf('\n', from)
    const to = end < 0 ? text.length : end
    const line = text.slice(from, to).trim()
    if (line !== '') yield line
    from = to + 1
  }
}
