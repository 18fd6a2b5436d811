/** How long execd waits for Wazuh's active response, which does nothing else meanwhile, and how soon the block is ordered. */
import { listen } from '../listening.ts'
import { openHost, orderLine } from '../manifests/wazuh-host.ts'
import { openTestService } from '../service.ts'
import { type Figure, percentile, rounded } from './figure.ts'

const runs = 50

export async function measureWazuh(): Promise<Figure[]> {
  const service = await openTestService({ onDisk: true })
  const server = await listen(service)
  const url = `http://127.0.0.1:${server.port}`
  const host = openHost(url, await service.token(['review']), 'x600 - cordon-block - 600\n')
  const held: number[] = []
  const ordered: number[] = []
  try {
    for (let run = 0; run < runs; run++) {
      const from = performance.now()
      await host.add(orderLine('add', `203.0.113.${run + 1}`))
      held.push(performance.now() - from)
      await host.delivered()
      ordered.push(performance.now() - from)
    }
  } finally {
    host.close()
    await server.close()
    await service.close()
  }
  const detail = `start, handshake, order flushed to the spool, end; sh and awk, started by Node, n=${runs}`
  return [
    figure('wazuh_launcher_p50_ms', percentile(held, 0.5), '<= 60', detail),
    figure('wazuh_launcher_p99_ms', percentile(held, 0.99), '<= 60', detail),
    figure(
      'wazuh_order_p50_ms',
      percentile(ordered, 0.5),
      '',
      'until the order is signed, by curl, looked at every 10 ms',
    ),
  ]
}

function figure(name: string, value: number, goal: string, detail: string): Figure {
  return { name, value: rounded(value), unit: 'ms', goal, detail }
}
