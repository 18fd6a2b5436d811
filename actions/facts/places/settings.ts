/** Which database files tell where an address is and whose network it belongs to. */
import { z } from 'zod'

const File = z.string().min(1).optional()

export const PlacesSettings = z.strictObject({
  country: File.meta({
    description: 'MMDB file with countries; without it the one that comes with Cordon',
  }),
  city: File.meta({ description: 'MMDB file with cities, such as GeoLite2-City.mmdb' }),
  asn: File.meta({ description: 'MMDB file with network owners, such as GeoLite2-ASN.mmdb' }),
  anonymous: File.meta({
    description: 'MMDB file with VPN, Tor, hosting and proxy addresses: GeoIP2-Anonymous-IP.mmdb',
  }),
})
export type PlacesSettings = z.infer<typeof PlacesSettings>
