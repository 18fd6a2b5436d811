/** Loose address text, as log decoders leave it, to one canonical host. */
import type { Address } from '#contract/address.ts'
import { addressScope, maybeAddress } from '#contract/address.ts'

const bracketed = /^\[([^[\]]+)\](?::(\d{1,5}))?$/
const v4WithPort = /^(\d[\d.]*):(\d{1,5})$/
const longest = 80

/**
 * The host that the text names: an address with or without a port, IPv6 also in brackets, in full or
 * IPv4-mapped. Undefined for everything else: lists, networks, masked octets, names, zones, leading
 * zeros, digits of other scripts. Only text is looked at; a number or an array names no host.
 */
export function pickAddress(text: unknown): Address | undefined {
  if (typeof text !== 'string' || text.length > longest) return undefined
  const trimmed = text.trim()
  const ported = bracketed.exec(trimmed) ?? v4WithPort.exec(trimmed)
  if (ported && Number(ported[2] ?? 0) > 65_535) return undefined
  const host = ported?.[1] ?? trimmed
  if (host.includes('/') || (trimmed.startsWith('[') && !host.includes(':'))) return undefined
  return maybeAddress(host)
}

/** As pickAddress, without what can be no peer: loopback, link-local, multicast, unspecified, reserved. */
export function pickPeer(text: unknown): Address | undefined {
  const address = pickAddress(text)
  return address && addressScope(address) !== 'special' ? address : undefined
}
