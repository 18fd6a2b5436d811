/** JSON as the formatter of the repository leaves it: a list of plain values stands on one line where it fits. */
const width = 100

export function printJson(value: unknown): string {
  const lines = JSON.stringify(value, null, 2)
  const short = lines.replace(
    /^(.*)\[\n\s+([^[\]{}]*?)\n\s+\](,?)$/gm,
    (whole, before: string, items: string, after: string) => {
      const line = `${before}[${items.replace(/,\n\s+/g, ', ')}]${after}`
      return line.length <= width ? line : whole
    },
  )
  return `${short}\n`
}
