/** Which servers a machine got its addresses from: without them it loses its own when they run out. */

/** A file may keep what was long ago: of a network that this machine was in only the last is worth anything. */
const mostServers = 4

/**
 * The servers in a lease as systemd-networkd, dhclient or NetworkManager writes it: who gave it, and the routers, name
 * servers and time servers that it names.
 */
export function leaseServers(text: string): string[] {
  const ofNetworkd = [...text.matchAll(/^(?:SERVER_ADDRESS|ROUTER|DNS|NTP)=(.+)$/gm)].flatMap(
    ([, list = '']) => list.split(/\s+/),
  )
  const ofDhclient = [
    ...text.matchAll(
      /^\s*option (?:dhcp-server-identifier|dhcp6\.server-id|routers|domain-name-servers|ntp-servers) ([^;]+);/gm,
    ),
  ].flatMap(([, list = '']) => list.split(/[\s,]+/))
  return [...new Set([...ofNetworkd, ...ofDhclient.slice(-4 * mostServers)])]
}
