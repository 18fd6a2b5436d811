/** How the modules of empty tables of iptables-legacy are taken out of the kernel, which alone makes it forget the tables. */
import { toProblem } from '#contract/problem.ts'
import type { MadeTable } from './iptables-made.ts'
import type { Ended } from './program.ts'

/**
 * A module takes its table out of every network namespace. The kernel refuses as long as there is a rule or a chain in any
 * of them, but does not count what a chain does by default: so nobody else may have a namespace. Of each module that stays
 * a line says why.
 */
const script = `
LC_ALL=C; export LC_ALL
stays() { for one; do printf '%s %s\\n' "$one" "$why"; done; exit; }
namespaces() { sed -n 's/.*-> \\(net:.*\\)/\\1/p'; }

modules=
for one; do
  if [ -e "/sys/module/$one/initstate" ]; then modules="$modules $one"
  else printf '%s it is built into this kernel\\n' "$one"
  fi
done
set -- $modules

why='from here it cannot be seen who else uses it'
[ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ] || stays "$@"
[ "$(readlink /proc/self/ns/user)" = 'user:[4026531837]' ] || stays "$@"
own=$(ls -l /proc/self/ns/net | namespaces)
[ -n "$own" ] || stays "$@"
used=$(ls -l /proc/[0-9]*/task/[0-9]*/ns/net 2>&1)
case $used in *denied*|*'not permitted'*) stays "$@";; *"$own"*) ;; *) stays "$@";; esac

why='another network namespace is in use (a container, ip netns) and would lose its table too'
others=$({ printf '%s\\n' "$used"; ls -l /proc/[0-9]*/fd 2>/dev/null; } | namespaces | grep -vxF "$own")
[ -z "$others" ] || stays "$@"
grep -qs 'net:\\[' /proc/[0-9]*/mountinfo && stays "$@"

for one; do
  why=$(rmmod "$one" 2>&1) || printf '%s %s\\n' "$one" "$(printf '%s' "$why" | tr '\\n' ' ')"
done
exit 0
`

/** Which tables stay, and why. */
export async function unload(
  tables: readonly MadeTable[],
  run: (words: readonly string[]) => Promise<Ended>,
): Promise<ReadonlyMap<MadeTable, string>> {
  const all = (why: string) => new Map(tables.map((table) => [table, why]))
  try {
    const { code, output, errors } = await run(['-c', script, 'sh', ...tables.map(moduleOf)])
    if (code !== 0) return all(errors.trim())
    const said = readStaying(output)
    return new Map(
      tables.flatMap((table) => {
        const why = said.get(moduleOf(table))
        return why === undefined ? [] : [[table, why] as const]
      }),
    )
  } catch (error) {
    return all(toProblem(error).message)
  }
}

function moduleOf({ family, table }: MadeTable): string {
  return `${family === 4 ? 'iptable' : 'ip6table'}_${table}`
}

function readStaying(output: string): ReadonlyMap<string, string> {
  return new Map(
    [...output.matchAll(/^(\w+) (.+)$/gm)].map(([, module = '', why = '']) => [module, why.trim()]),
  )
}
