/** What Cortex makes of a file of definitions: the rules by which it loads, offers and starts workers. */
import { posix } from 'node:path'
import { z } from 'zod'

const texts = ['name', 'version', 'author', 'url', 'license', 'description'] as const
const text = z.string()

const Item = z.object({
  name: text,
  description: text,
  type: z.enum(['text', 'string', 'number', 'boolean']),
  multi: z.boolean().default(false),
  required: z.boolean().default(false),
  defaultValue: z.unknown().optional(),
})
export type Item = z.output<typeof Item>

export type Worker = {
  id: string
  name: string
  dataTypes: string[]
  items: Item[]
  config: Record<string, unknown>
  baseConfig: string | undefined
  /** Undefined where it would lead out of the folder of all workers, and is not started. */
  command: string | undefined
}

/** Those that load: what is not understood of a whole definition drops it, of a field takes the field's empty value. */
export function loadDefinitions(file: unknown): Worker[] {
  return (Array.isArray(file) ? file : [file]).flatMap((entry) => {
    const read = z.looseObject(Object.fromEntries(texts.map((key) => [key, text]))).safeParse(entry)
    return read.success ? [workerOf(read.data)] : []
  })
}

function workerOf(entry: Record<string, unknown>): Worker {
  const or = <T>(shape: z.ZodType<T>, value: unknown, empty: T): T => {
    const read = shape.safeParse(value)
    return read.success ? read.data : empty
  }
  const { name, version } = entry
  return {
    id: `${name}_${version}`.replaceAll('.', '_'),
    name: String(name),
    dataTypes: or(z.array(text), entry.dataTypeList, []),
    items: or(z.array(Item), entry.configurationItems, []),
    config: or(z.record(text, z.unknown()), entry.config, {}),
    baseConfig: or(text.optional(), entry.baseConfig, undefined),
    command: or(text.optional().transform(inside), entry.command, undefined),
  }
}

function inside(command: string | undefined): string | undefined {
  if (command === undefined) return undefined
  const path = posix.normalize(command)
  return path.startsWith('..') || path.startsWith('/') ? undefined : path
}

const offeredOn = ['case', 'case_artifact', 'alert', 'case_task', 'case_task_log']

/** Whether TheHive shows the responder anywhere. */
export function isOffered({ dataTypes }: Worker): boolean {
  return dataTypes.some((type) => offeredOn.includes(type.replace('thehive:', '')) && type !== 'ip')
}
