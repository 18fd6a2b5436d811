/** One job as the platform sends it, over the broker or by HTTP: what is to be enriched, for whom, and where the answer goes. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { AddressObject, type StixObject } from '../stix/stix-object.ts'

const Id = z.string().min(1).nullish()

const Message = z.looseObject({
  internal: z.looseObject({
    work_id: Id,
    applicant_id: Id,
    draft_id: Id,
    mode: z.string().nullish(),
    playbook: z
      .looseObject({
        event_id: z.string(),
        execution_id: z.string(),
        playbook_id: z.string(),
        data_instance_id: z.string(),
        step_id: z.string(),
        previous_step_id: z.string(),
      })
      .nullish(),
  }),
  event: z.looseObject({
    entity_id: z.string(),
    /** JSON as text. */
    stix_entity: z.string().nullish(),
    bundle: z
      .looseObject({
        objects: z.array(z.looseObject({ type: z.string(), id: z.string() })),
      })
      .nullish(),
  }),
})
type Message = z.output<typeof Message>

export type Job = {
  work: string | undefined
  applicant: string | undefined
  draft: string | undefined
  /** A person asked for it. */
  manual: boolean
  /** Undefined for what is no address. */
  entity: AddressObject | undefined
  playbook: Playbook | undefined
}

export type Playbook = {
  ids: {
    event_id: string
    execution_id: string
    playbook_id: string
    data_instance_id: string
    step_id: string
    previous_step_id: string
  }
  bundle: Readonly<Record<string, unknown>> & { objects: readonly StixObject[] }
}

/** Throws `invalid_input` for what no platform would send. */
export function readJob(text: string): Job {
  const read = Message.safeParse(parse(text))
  if (!read.success)
    throw new Problem('invalid_input', 'a job of opencti cannot be understood', {
      remedy: 'check that the platform is 6.9 or 7, and that nobody else writes to its queue',
      cause: read.error,
    })
  const { internal, event } = read.data
  const playbook = playbookOf(read.data)
  const entity = playbook
    ? playbook.bundle.objects.find(({ id }) => id === event.entity_id)
    : parse(event.stix_entity ?? '')
  return {
    work: internal.work_id ?? undefined,
    applicant: internal.applicant_id ?? undefined,
    draft: internal.draft_id ?? undefined,
    manual: internal.mode === 'manual',
    entity: AddressObject.safeParse(entity).data,
    playbook,
  }
}

function playbookOf({ internal, event }: Message): Playbook | undefined {
  const { playbook } = internal
  if (!playbook || !event.bundle) return undefined
  const { event_id, execution_id, playbook_id, data_instance_id, step_id, previous_step_id } =
    playbook
  return {
    ids: { event_id, execution_id, playbook_id, data_instance_id, step_id, previous_step_id },
    bundle: event.bundle,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
