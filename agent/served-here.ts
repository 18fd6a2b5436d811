/** Whether the service runs on this very node: then the other nodes must reach it here, whatever is signed. */
import { maybeAddress } from '#contract/address.ts'

/** Its TCP port as this node knows it; undefined when it runs elsewhere. `met` are the addresses at which it answered. */
export function portServedHere(
  url: string,
  met: readonly string[],
  own: readonly string[],
): number | undefined {
  const { hostname, port, protocol } = new URL(url)
  const mine = new Set(own.flatMap(canonical))
  const its = [hostname.replace(/^\[|\]$/g, ''), ...met]
  const here = its.some((one) => one === 'localhost' || canonical(one).some((ip) => mine.has(ip)))
  if (!here) return undefined
  return port === '' ? usualPort(protocol) : Number(port)
}

function canonical(text: string): string[] {
  const address = maybeAddress(text.replace(/%.*$/, ''))
  return address ? [address.text] : []
}

function usualPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80
}
