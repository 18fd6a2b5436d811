/** Where the two parts of one running connector meet: who serves the platform, and who tells it of blocks by the same way. */
import type { Cordon } from '#contract/connector.ts'
import type { Client } from '../client/client.ts'
import type { Settings } from '../settings.ts'
import type { Bundle } from '../stix/stix-object.ts'
import type { Job } from './job.ts'

/** What of a job goes with its answer. */
export type Sent = Pick<Job, 'work'> & Partial<Pick<Job, 'applicant' | 'draft'>>

export type AtWork = {
  /** Of the connector. */
  id: string
  client: Client
  cordon: Cordon
  /** Resolves when the platform has it for sure. */
  send(bundle: Bundle, sent: Sent): Promise<void>
}

/** By the settings object, which each connector that runs has for itself; none while it is not registered. */
export const atWork = new WeakMap<Settings, AtWork>()
