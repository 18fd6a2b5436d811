/** The addresses of a STIX pattern that says nothing else: one comparison with an address, or several joined by OR. */
import { type Address, maybeAddress } from '#contract/address.ts'

const longest = 65_536
const deepest = 16

const token = /\s*(?:(\[|\]|\(|\)|,|=)|'((?:[^'\\]|\\.)*)'|([A-Za-z][A-Za-z0-9_:.-]*))/y
const families: Readonly<Record<string, 4 | 6>> = { 'ipv4-addr:value': 4, 'ipv6-addr:value': 6 }

type Token = { kind: 'sign' | 'text' | 'word'; text: string }

/**
 * Undefined for whatever is not understood to its end: AND, NOT, FOLLOWED BY, qualifiers, other kinds of objects, and
 * an address that is none or of the other family. Half of an AND would block what nobody asked to block.
 */
export function addressesOf(pattern: string): Address[] | undefined {
  const tokens = cut(pattern)
  if (!tokens) return undefined
  const reader = new Reader(tokens)
  const found = reader.joined(() => reader.observation(0))
  return found && reader.atEnd() ? found : undefined
}

function cut(pattern: string): Token[] | undefined {
  if (pattern.length > longest) return undefined
  const tokens: Token[] = []
  const text = pattern.trimEnd()
  token.lastIndex = 0
  while (token.lastIndex < text.length) {
    const [, sign, quoted, word] = token.exec(text) ?? []
    if (sign !== undefined) tokens.push({ kind: 'sign', text: sign })
    else if (quoted !== undefined)
      tokens.push({ kind: 'text', text: quoted.replaceAll(/\\(.)/g, '$1') })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else return undefined
  }
  return tokens
}

/** Each method gives undefined for what is not understood; then nothing of the pattern is. */
class Reader {
  #at = 0
  readonly #tokens: readonly Token[]

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  atEnd(): boolean {
    return this.#at === this.#tokens.length
  }

  joined(read: () => Address[] | undefined): Address[] | undefined {
    const all: Address[] = []
    do {
      const found = read()
      if (!found) return undefined
      all.push(...found)
    } while (this.#takes('word', 'OR'))
    return all
  }

  /** `[ … ]`, or several of them in parentheses. */
  observation(depth: number): Address[] | undefined {
    if (this.#takes('sign', '('))
      return this.#inParentheses(() => this.observation(depth + 1), depth)
    if (!this.#takes('sign', '[')) return undefined
    const found = this.joined(() => this.#comparison(0))
    return this.#takes('sign', ']') ? found : undefined
  }

  #comparison(depth: number): Address[] | undefined {
    if (this.#takes('sign', '('))
      return this.#inParentheses(() => this.#comparison(depth + 1), depth)
    const path = this.#next('word')
    const family = path === undefined ? undefined : families[path]
    if (family === undefined) return undefined
    if (this.#takes('word', 'IN')) return this.#list(family)
    if (!this.#takes('sign', '=') && !this.#takes('word', 'ISSUBSET')) return undefined
    return this.#address(family)
  }

  #inParentheses(read: () => Address[] | undefined, depth: number): Address[] | undefined {
    if (depth >= deepest) return undefined
    const found = this.joined(read)
    return this.#takes('sign', ')') ? found : undefined
  }

  #list(family: 4 | 6): Address[] | undefined {
    if (!this.#takes('sign', '(')) return undefined
    const all: Address[] = []
    do {
      const found = this.#address(family)
      if (!found) return undefined
      all.push(...found)
    } while (this.#takes('sign', ','))
    return this.#takes('sign', ')') ? all : undefined
  }

  #address(family: 4 | 6): Address[] | undefined {
    const text = this.#next('text')
    const address = text === undefined ? undefined : maybeAddress(text.trim())
    if (!address || text?.includes(':') !== (family === 6)) return undefined
    return [address]
  }

  #takes(kind: Token['kind'], text: string): boolean {
    const token = this.#tokens[this.#at]
    const same = token?.kind === kind && token.text.toUpperCase() === text
    if (same) this.#at++
    return same
  }

  #next(kind: Token['kind']): string | undefined {
    const token = this.#tokens[this.#at]
    if (token?.kind !== kind) return undefined
    this.#at++
    return token.text
  }
}
