/** Clusters of version 8 refuse whatever asks for the words of version 9, which is all that the vendor's client says. */
import type {
  SniffingTransport,
  TransportRequestOptions,
  TransportRequestOptionsWithMeta,
  TransportRequestOptionsWithOutMeta,
  TransportRequestParams,
  TransportResult,
} from '@elastic/elasticsearch'
import { typeOfTrouble } from './refused.ts'

/** Understood by 8 and 9. */
const json = 'application/vnd.elasticsearch+json; compatible-with=8'
const lines = 'application/vnd.elasticsearch+x-ndjson; compatible-with=8'

/**
 * The vendor's transport, which says all in the words of 8 once a cluster has refused those of 9. Such a request was not
 * looked into, so that it is done once.
 */
export function speakingOlder(Transport: typeof SniffingTransport): typeof SniffingTransport {
  return class extends Transport {
    #older = false

    override request<T = unknown>(
      params: TransportRequestParams,
      options?: TransportRequestOptionsWithOutMeta,
    ): Promise<T>
    override request<T = unknown, Context = unknown>(
      params: TransportRequestParams,
      options?: TransportRequestOptionsWithMeta,
    ): Promise<TransportResult<T, Context>>
    override request<T = unknown>(
      params: TransportRequestParams,
      options?: TransportRequestOptions,
    ): Promise<T>
    override async request(
      params: TransportRequestParams,
      options: TransportRequestOptions = {},
    ): Promise<unknown> {
      if (!this.#older)
        try {
          return await super.request(params, options)
        } catch (error) {
          if (typeOfTrouble(error) !== 'media_type_header_exception') throw error
          this.#older = true
        }
      return super.request(params, { ...options, headers: { ...options.headers, ...said(params) } })
    }
  }
}

function said({ body, bulkBody }: TransportRequestParams): Record<string, string> {
  if (bulkBody !== undefined && bulkBody !== '') return { accept: json, 'content-type': lines }
  return body === undefined || body === ''
    ? { accept: json }
    : { accept: json, 'content-type': json }
}
