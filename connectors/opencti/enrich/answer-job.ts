/** One job from received to answered. A second delivery of the same job writes the same objects again, which adds nothing. */
import type { Cordon } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import type { AskOptions, Client } from '../client/client.ts'
import { playbookStep } from '../client/questions/playbook-step.ts'
import { workProcessed, workReceived } from '../client/questions/work.ts'
import { type Bundle, bundleOf, ownersOf, type StixObject } from '../stix/stix-object.ts'
import { type Subject, tell } from '../stix/tell.ts'
import type { Tlp } from '../stix/tlp.ts'
import { aboveCeiling } from './ceiling.ts'
import { type Job, type Playbook, readJob } from './job.ts'
import { newlySeen } from './newly-seen.ts'
import { unlessPassing } from './passing.ts'

type AnswerParts = {
  client: Client
  cordon: Cordon
  /** The connector's own user on the platform. */
  user: string | undefined
  author: string
  ceiling: Tlp
  /** Resolves when the platform has it for sure. */
  send(bundle: Bundle, job: Job): Promise<void>
}

/**
 * Resolves with what was wrong when the job is over all the same: that is said on the platform too. Rejects when it may
 * go better another time: then nothing is said, and the job comes again.
 */
export async function answerJob(
  parts: AnswerParts,
  text: string,
  signal: AbortSignal,
): Promise<Problem | undefined> {
  try {
    const job = readJob(text)
    const options = { draft: job.draft, signal }
    if (job.playbook) return await answerPlaybook(parts, job, job.playbook, options)
    await received(parts.client, job, options)
    const said = await written(parts, job, options).catch(unlessPassing)
    await processed(parts.client, job, said, options)
    return said instanceof Problem ? said : undefined
  } catch (error) {
    // Such as a work that somebody deleted meanwhile.
    return unlessPassing(error)
  }
}

/**
 * Tells the platform why a job failed again and again: somebody can ask for it anew. A playbook gets its own bundle back.
 * Rejects when nobody hears it; then the job stays.
 */
export async function giveUp(
  { client, cordon }: Pick<AnswerParts, 'client' | 'cordon'>,
  text: string,
  problem: Problem,
  signal: AbortSignal,
): Promise<Problem> {
  try {
    const job = readJob(text)
    const options = { draft: job.draft, signal }
    if (job.playbook) await returned(client, cordon, job.playbook, [], options)
    else await processed(client, job, problem, options)
  } catch (error) {
    unlessPassing(error)
  }
  return problem
}

async function written(parts: AnswerParts, job: Job, options: AskOptions): Promise<string> {
  const answer = await objectsFor(parts, job, options)
  if (typeof answer === 'string') return answer
  await parts.send(bundleOf(answer), job)
  return `sent ${answer.length} objects`
}

/** A playbook hangs until it is answered, so that it gets its own bundle back when there is nothing to add. */
async function answerPlaybook(
  parts: AnswerParts,
  job: Job,
  playbook: Playbook,
  options: AskOptions,
): Promise<Problem | undefined> {
  const answer = await objectsFor(parts, job, options).catch(unlessPassing)
  const added = Array.isArray(answer) ? answer : []
  await returned(parts.client, parts.cordon, playbook, added, options)
  return answer instanceof Problem ? answer : undefined
}

async function returned(
  client: Client,
  cordon: Cordon,
  { ids, bundle }: Playbook,
  added: readonly StixObject[],
  options: AskOptions,
): Promise<void> {
  const known = new Set(bundle.objects.map(({ id }) => id))
  const objects = [...bundle.objects, ...added.filter(({ id }) => !known.has(id))]
  const answer = {
    ...ids,
    execution_start: new Date(cordon.now()).toISOString(),
    previous_bundle: JSON.stringify(bundle),
    bundle: JSON.stringify({ ...bundle, objects }),
  }
  await client.ask(playbookStep, answer, options)
}

/** What is to be written, or why nothing is. */
async function objectsFor(
  { client, cordon, user, author, ceiling }: AnswerParts,
  { entity, manual, draft, playbook }: Job,
  options: AskOptions,
): Promise<StixObject[] | string> {
  if (!entity) return 'nothing to do: it is no IP address'
  const { creators, granted } = ownersOf(entity)
  const ours = user !== undefined && creators.length > 0 && creators.every((id) => id === user)
  if (ours && !manual) return 'nothing to do: this connector made it itself'
  const markings = entity.object_marking_refs
  const above = await aboveCeiling(client, markings, ceiling, options)
  if (above !== undefined) return `nothing to do: ${above}`
  const { type, id, value } = entity
  const subject: Subject = { type, id, value, markings, granted }
  const knowledge = await cordon.knowledge(value)
  // What goes into a draft or a playbook may be thrown away, so that it does not count as told.
  const kept = draft === undefined && playbook === undefined
  const objects = tell(knowledge, subject, await newlySeen(cordon, knowledge, id, kept), author)
  return objects.length === 0 ? 'nothing to do: nothing is known of it here' : objects
}

async function received(client: Client, { work }: Job, options: AskOptions): Promise<void> {
  if (work !== undefined)
    await client.ask(workReceived, { id: work, message: 'Cordon looks at it' }, options)
}

async function processed(
  client: Client,
  { work }: Job,
  said: string | Problem,
  options: AskOptions,
): Promise<void> {
  if (work === undefined) return
  const inError = said instanceof Problem
  const message = inError ? `${said.message}${said.remedy ? ` (${said.remedy})` : ''}` : said
  await client.ask(workProcessed, { id: work, message, inError }, options)
}
