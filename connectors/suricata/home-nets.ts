import { AddressText, readAddress } from '#contract/address.ts'
import { listOf } from '#contract/settings.ts'

/** RFC 1918, carrier-grade NAT, unique local and link-local. */
export const HomeNets = listOf(AddressText.transform((text) => readAddress(text)))
  .prefault([
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    '169.254.0.0/16',
    'fc00::/7',
    'fe80::/10',
  ])
  .meta({ description: 'networks that are ours; public ones of your own belong here too' })
