/** Lists as CSV, with or without a header, as abuse.ch writes them and anybody else. */
import { maybeAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { readHeading } from './read-heading.ts'
import { type ListReader, linesOf } from './sink.ts'

const usualNames = ['ip', 'ip_address', 'ipaddress', 'dst_ip', 'dstip', 'src_ip', 'srcip']
const otherNames = ['address', 'network', 'cidr', 'prefix', 'ioc_value', 'indicator']
const addressNames = [...usualNames, ...otherNames]

/** Without `column` a header names the column, which abuse.ch also writes as a comment, or the first row shows it. */
export const readCsv: ListReader = (text, sink, column) => {
  let header: string[] = []
  let at = column !== undefined && /^\d+$/.test(column) ? Number(column) - 1 : -1
  for (const line of linesOf(text)) {
    if (/^[#;]/.test(line)) {
      readHeading(line, sink)
      const cells = cellsOf(line.replace(/^[#;\s]+/, ''))
      if (cells.some((cell) => isNameOf(cell, column))) header = cells
      continue
    }
    const cells = cellsOf(line)
    if (at < 0 && cells.some((cell) => isNameOf(cell, column)) && !cells.some(isEntry)) {
      header = cells
      sink.heading()
      continue
    }
    if (at < 0) at = header.findIndex((cell) => isNameOf(cell, column))
    if (at < 0 && column !== undefined) throw noColumn(column, header)
    if (at < 0) at = cells.findIndex(isEntry)
    sink.entry(withoutPort(cells[at] ?? line))
  }
}

function isNameOf(cell: string, column: string | undefined): boolean {
  const name = cell.toLowerCase()
  return column === undefined ? addressNames.includes(name) : name === column.toLowerCase()
}

function isEntry(cell: string): boolean {
  return maybeAddress(withoutPort(cell)) !== undefined
}

/** Indicators of botnets are written with the port of their server. */
function withoutPort(cell: string): string {
  return cell.replace(/^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/, '$1')
}

function cellsOf(line: string): string[] {
  const delimiter = [',', ';', '\t'].find((character) => line.includes(character)) ?? ','
  if (!line.includes('"')) return line.split(delimiter).map((cell) => cell.trim())
  const cells: string[] = []
  let [cell, quoted] = ['', false]
  for (const character of line) {
    if (character === '"') quoted = !quoted
    else if (character === delimiter && !quoted) {
      cells.push(cell.trim())
      cell = ''
    } else cell += character
  }
  return [...cells, cell.trim()]
}

function noColumn(column: string, header: readonly string[]): Problem {
  return new Problem('invalid_input', `the list has no column "${column}"`, {
    remedy: `its columns are ${header.join(', ') || 'not named: write the number of one, from 1'}`,
  })
}
