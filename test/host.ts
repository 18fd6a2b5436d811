/** The process of a host in its own namespace: an endpoint that does what the test tells it. */
import { type Endpoint, startEndpoint } from './endpoint.ts'

export type Order = { id: number; method: keyof Endpoint; words: string[] }
export type Done = { id: number; result?: unknown; error?: string }

if (process.send && process.env.CORDON_TEST_HOST === '1') {
  const endpoint = await startEndpoint()
  process.on('message', (order: Order) => void obey(endpoint, order))
  process.on('disconnect', () => process.exit(0))
  tell({ id: 0 })
}

async function obey(endpoint: Endpoint, { id, method, words }: Order): Promise<void> {
  const [first = '', second = '', third = ''] = words
  try {
    tell({ id, result: await act(endpoint, method, first, second, third) })
  } catch (error) {
    tell({ id, error: String(error) })
  }
}

function act(endpoint: Endpoint, method: keyof Endpoint, a: string, b: string, c: string) {
  if (method === 'send' || method === 'flood') return endpoint[method](a, b, c)
  if (method === 'open' || method === 'say') return endpoint[method](a, b)
  if (method === 'arrived') return endpoint.arrived(a, Number(b))
  if (method === 'count') return endpoint.count(a)
  return endpoint[method]()
}

function tell(done: Done): void {
  process.send?.(done)
}
