/** Under which values an address may stand on the platform, which keeps each as it was sent. */
import { type Address, isHost, readAddress, widen } from '#contract/address.ts'

/** Wider networks than these say nothing of one host. */
const widest = { 4: 16, 6: 32 } as const

/** The address itself in every usual spelling, then the networks around it, and its pattern for each. */
export function spellings(text: string): readonly string[] {
  const address = readAddress(text)
  const length = address.bytes.length * 8
  const networks = Array.from({ length: length - widest[address.family] + 1 }, (_, index) =>
    widen(address, length - index),
  ).filter(({ prefix }) => prefix <= address.prefix)
  return [...new Set([...hostSpellings(address), ...networks.flatMap(networkSpellings)])]
}

/** As the platform keeps it: it puts blanks around the operator. */
export function patternOf(value: string): string {
  return `[${value.includes(':') ? 'ipv6' : 'ipv4'}-addr:value = '${value}']`
}

export function hostSpellings(address: Address): string[] {
  if (!isHost(address)) return []
  if (address.family === 4) return [address.text]
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((address.bytes[index * 2] ?? 0) << 8) | (address.bytes[index * 2 + 1] ?? 0)).toString(16),
  )
  const lower = [
    address.text,
    groups.join(':'),
    groups.map((group) => group.padStart(4, '0')).join(':'),
  ]
  return [...lower, ...lower.map((spelling) => spelling.toUpperCase())]
}

function networkSpellings(network: Address): string[] {
  const text = isHost(network) ? `${network.text}/${network.prefix}` : network.text
  return network.family === 4 ? [text] : [text, text.toUpperCase()]
}
