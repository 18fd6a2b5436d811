/** Runs a program in Python 3 while the service that it calls goes on in this process. */
import { execFile, spawnSync } from 'node:child_process'

export const pythonName = process.env.CORDON_TEST_PYTHON ?? 'python3'
const shown = spawnSync(pythonName, ['--version'], { encoding: 'utf8' })

/** Why a test of a script in Python cannot run here, or false. */
export const noPython = shown.status === 0 ? false : `there is no ${pythonName} here`

/** Why what needs this package cannot run here, or false; CORDON_TEST_PYTHON may name an interpreter that has it. */
export function noPackage(name: string): string | false {
  if (noPython) return noPython
  const { status } = spawnSync(pythonName, ['-c', `import ${name}`], { encoding: 'utf8' })
  return status === 0 ? false : `${pythonName} has no package ${name}`
}

export type Ran = { code: number; stdout: string; stderr: string }

/** `path` is where modules are looked for besides beside the program. */
export function runPython(
  args: readonly string[],
  { path = '', input = '' }: { path?: string; input?: string } = {},
): Promise<Ran> {
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1' }
  return new Promise((done) => {
    const child = execFile(pythonName, args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? 1 : 0
      done({ code, stdout, stderr })
    })
    child.stdin?.end(input)
  })
}
