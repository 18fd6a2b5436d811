/** Tries a web hook as far as that is possible without a message: its address, and whether its host can be reached. */
import type { Finding } from '#contract/connector.ts'
import { findInOrder } from './find.ts'
import { readHookUrl } from './post.ts'
import { placeOf, reach } from './reach.ts'

type HookAddress = { url?: string | undefined; timeout: number; ca?: string | undefined }

/** Only the host is named: the rest of such an address is often a secret. */
export function testHook(
  connector: string,
  { url, timeout, ca }: HookAddress,
  signal: AbortSignal,
): Promise<Finding[]> {
  const read = () => readHookUrl(connector, url)
  return findInOrder([
    { what: 'address', find: () => `a web hook at ${read().host}` },
    { what: 'host', find: () => reach(placeOf(read(), ca), timeout, signal) },
  ])
}
