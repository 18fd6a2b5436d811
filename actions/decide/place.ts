/** Where in the text of a policy something stands, so that a refusal can name line and column. */
import { type Document, isMap, isNode, isScalar, type LineCounter } from 'yaml'

/** Both count from 1. */
export type Place = { line: number; col: number }
export type Path = readonly (string | number)[]

/**
 * The place of what the path names, or of the nearest thing around it that is written; of one key of it;
 * or of one character in the text that stands there, where that text is written as it is.
 */
export function placeOf(
  source: { text: string; document: Document; lines: LineCounter },
  path: Path,
  key?: string,
  within?: { text: string; at: number },
): Place {
  const { document, lines, text } = source
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (!isNode(node) || !node.range) continue
    const [start, end] = node.range
    if (length < path.length || within === undefined)
      return lines.linePos(keyStart(node, key) ?? start)
    const verbatim = text.slice(start, end).indexOf(within.text)
    return lines.linePos(verbatim < 0 ? start : start + verbatim + within.at)
  }
  return { line: 1, col: 1 }
}

function keyStart(node: unknown, key: string | undefined): number | undefined {
  if (key === undefined || !isMap(node)) return undefined
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined
}
