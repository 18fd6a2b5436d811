/** What passes the standing rules of a node whatever was signed: who is protected, its own service, and what orders allow. */
import type { Protected } from './guard.ts'
import type { ScopedElement } from './kernel/firewall.ts'
import { allowedOf } from './posture-allowed.ts'
import { identityOf } from './scope.ts'
import type { Scopes } from './scopes.ts'

export type PassingOn = {
  here(): readonly Protected[]
  /** What is wished beyond plain blocks. */
  scopes: Pick<Scopes, 'version' | 'elements'>
  /** Undefined when the service runs elsewhere. */
  servicePort(): number | undefined
}

export type Passing = {
  /** In one text to compare it by. */
  protected: string
  servicePort: number | undefined
  allowed: Allowed
}

/** As it follows from a version of what is wished; in one text to compare it by. */
export type Allowed = { version: number; elements: readonly ScopedElement[]; text: string }

export function readPassing(on: PassingOn): Passing {
  return {
    protected: readProtected(on),
    servicePort: on.servicePort(),
    allowed: readAllowed(on),
  }
}

export function readProtected({ here }: PassingOn): string {
  return here()
    .map(({ address }) => address.text)
    .join()
}

export function readAllowed({ scopes }: PassingOn): Allowed {
  const { version } = scopes
  const elements = allowedOf(scopes.elements())
  const text = elements.map((one) => `${identityOf(one)} ${one.layer} ${one.end}`).join('\n')
  return { version, elements, text }
}

/** Whether who is protected, and the service, are as they were. */
export function protectsStill(passing: Passing, on: PassingOn): boolean {
  return passing.protected === readProtected(on) && passing.servicePort === on.servicePort()
}
