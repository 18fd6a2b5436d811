/** Steps of a transaction as nft script text. */
import type { Address } from '#contract/address.ts'
import { setSpec } from './sets.ts'
import { type Element, kernelTime, type Step } from './transaction.ts'

/** One line a step; `nft -f -` makes the whole text one transaction. */
export function printSteps(table: string, steps: readonly Step[]): string {
  return steps.map((step) => `${printStep(table, step)}\n`).join('')
}

function printStep(table: string, step: Step): string {
  const where = `inet ${table} ${step.set}`
  if (step.do === 'flush') return `flush set ${where}`
  const intervals = setSpec(step.set).prefix === undefined
  const elements = step.elements.map((element) =>
    printElement(element, intervals, step.do === 'add'),
  )
  return `${step.do} element ${where} { ${elements.join(', ')} }`
}

function printElement(element: Element, intervals: boolean, adding: boolean): string {
  const key = intervals ? element.address.text : printKey(element.address)
  return adding && element.timeoutMs !== undefined
    ? `${key} timeout ${printTimeout(kernelTime(element.timeoutMs))}`
    : key
}

/** In a hash set of networks the key is the first address; the rule masks the packet's before it looks. */
export function printKey(address: Address): string {
  return address.text.split('/', 1)[0] ?? address.text
}

/** nft takes eight digits a unit at most, so days stand apart. */
export function printTimeout(ms: number): string {
  const days = Math.floor(ms / 86_400_000)
  const seconds = Math.floor((ms % 86_400_000) / 1000)
  return `${days}d${seconds}s${ms % 1000}ms`
}
