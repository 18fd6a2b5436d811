/** A service on loopback for a manifest to call, and a token as its README asks for. */
import type { Scope } from '../../../actions/store/tokens.ts'
import { listen } from '../../listening.ts'
import { openTestService, type TestService } from '../../service.ts'

export type Listening = {
  service: TestService
  url: string
  token: string
  /** The decision of an alert that the policy asks a person about. */
  question(attacker: string): Promise<string>
  close(): Promise<void>
}

export async function openListening(scopes: Scope[]): Promise<Listening> {
  const service = await openTestService()
  const listening = await listen(service)
  return {
    service,
    url: `http://127.0.0.1:${listening.port}`,
    token: await service.token(scopes),
    question: async (attacker) => {
      const answer = await service.alert({ id: attacker, attacker, rule: 'test', severity: 50 })
      return answer.body.items?.[0]?.alerts?.[0]?.decision ?? ''
    },
    close: async () => {
      await listening.close()
      await service.close()
    },
  }
}
