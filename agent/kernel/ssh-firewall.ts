/** The firewall of a host without an agent: its nft, over a connection by SSH that is kept open. */
import type { Firewall } from './firewall.ts'
import { watchListing } from './listing.ts'
import { type Nft, nftBy, nftCarrier } from './nft.ts'
import { prove } from './proof.ts'
import { tableName } from './ruleset.ts'
import type { SshLine } from './ssh-line.ts'
import { kernelFirewall } from './table.ts'
import type { Watcher } from './watch.ts'

const pollMs = 10_000
/** What the host tells of our own change comes this much later at most. */
const graceMs = 2_000

/** The nft program of the host, which knows when it was used last. */
export type RemoteNft = Nft & { readonly usedAt: number }

/** What is thrown by `line` comes through. */
export function remoteNft(line: SshLine, monotonic: () => number): RemoteNft {
  let running = 0
  let last = Number.NEGATIVE_INFINITY
  const nft = nftBy(async (words, input) => {
    const changes = words.includes('-f')
    if (changes) running++
    try {
      return await line.run(['nft', ...words], { input, privileged: true })
    } finally {
      if (changes) running--
      if (changes) last = monotonic()
    }
  })
  return {
    ...nft,
    get usedAt() {
      return running > 0 ? monotonic() : last
    },
  }
}

/** Throws what `line` throws, and what the self-test there finds. */
export async function sshFirewall(
  line: SshLine,
  nft: RemoteNft,
  monotonic: () => number,
): Promise<Firewall> {
  const hear = (_port: number | undefined, _isOwn: unknown, changed: (what: string) => void) =>
    watchHost(line, nft, monotonic, changed)
  const proven = await prove(nftCarrier(nft), nft)
  return kernelFirewall(proven, nft, { hear, fallback: `on ${line.host} by SSH` })
}

/**
 * The table is listed now and then, and the host tells what is deleted. It does not tell who it was: what comes while a
 * change of ours is under way counts as ours.
 */
function watchHost(
  line: SshLine,
  nft: RemoteNft,
  monotonic: () => number,
  changed: (what: string) => void,
): Watcher {
  const watcher = watchListing(nft, changed, pollMs)
  let stopped = false
  let end = () => {}
  const ours = new RegExp(`^delete (element|set|chain|rule|table) inet ${tableName}\\b`)
  const heed = (text: string) => {
    const [, what] = ours.exec(text) ?? []
    if (what && !stopped && monotonic() - nft.usedAt > graceMs)
      changed(what === 'element' ? 'elements were removed' : `a ${what} was deleted`)
  }
  const follow = async () => {
    end()
    end = await line.follow(['nft', 'monitor', 'destroy'], heed)
    if (stopped) end()
  }
  // The listing tells that the host is away.
  void follow().catch(() => {})
  line.lost(({ message }) => {
    if (stopped) return
    changed(message)
    // With the next command there is a connection again.
    const again = setTimeout(() => void follow().catch(() => {}), pollMs)
    again.unref()
  })
  return {
    ...watcher,
    stop() {
      stopped = true
      watcher.stop()
      end()
    },
  }
}
