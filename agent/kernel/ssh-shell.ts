/** A shell that is kept open, and runs one program after the other: to begin a session for each costs many times as much. */
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { Ended } from './program.ts'
import { oneAtATime } from './turns.ts'

export type Shell = {
  /** `command` for a POSIX shell. Rejects when the shell has ended. */
  run(command: string, input: string): Promise<Ended>
  readonly open: boolean
}

/** `child` runs `sh`, and reads from its input. */
export function remoteShell(child: ChildProcess): Shell {
  // Nothing that a program prints, or is given, can know it.
  const mark = `cordon-${randomBytes(12).toString('hex')}`
  const turn = oneAtATime()
  let open = true
  const over = Promise.withResolvers<never>()
  over.promise.catch(() => {})
  const output = gather(child.stdout, `\n${mark} `)
  const errors = gather(child.stderr, `\n${mark} `)
  const ended = () => {
    open = false
    over.reject(new Error(errors.rest() || 'the shell ended'))
  }
  child.on('close', ended)
  child.on('error', ended)
  child.stdin?.on('error', ended)
  const ask = async (command: string, input: string): Promise<Ended> => {
    child.stdin?.write(printCommand(command, input, mark))
    const both = Promise.all([output.next(), errors.next()])
    const [said, complained] = await Promise.race([both, over.promise])
    return { code: Number(said.after), output: said.before, errors: complained.before }
  }
  return {
    run: (command, input) => turn(() => ask(command, input)),
    get open() {
      return open
    },
  }
}

function printCommand(command: string, input: string, mark: string): string {
  const text = input === '' || input.endsWith('\n') ? input : `${input}\n`
  const given = input === '' ? `${command} </dev/null` : `${command} <<'${mark}'\n${text}${mark}`
  return `${given}\nprintf '\\n${mark} %s\\n' "$?"; printf '\\n${mark} \\n' >&2\n`
}

/** What comes up to each mark, and the rest of the mark's line. */
function gather(stream: NodeJS.ReadableStream | null, mark: string) {
  let text = ''
  let heed = () => {}
  stream?.setEncoding('utf8')
  stream?.on('data', (piece: string) => {
    text += piece
    heed()
  })
  const take = () => {
    const at = text.lastIndexOf(mark)
    const end = at < 0 ? -1 : text.indexOf('\n', at + mark.length)
    if (end < 0) return undefined
    const found = { before: text.slice(0, at), after: text.slice(at + mark.length, end) }
    text = text.slice(end + 1)
    return found
  }
  return {
    rest: () => text.trim(),
    next: () =>
      new Promise<{ before: string; after: string }>((resolve) => {
        heed = () => {
          const found = take()
          if (found) resolve(found)
        }
        heed()
      }),
  }
}
