#!/bin/sh
':' //; n="$(dirname "$(readlink -f "$0")")/node_modules/.bin/node"; [ -x "$n" ] || n=node; exec "$n" --max-semi-space-size=8 --no-parallel-scavenge "$0" "$@"
/**
 * The program `cordon`. As a shell script its second line finds the Node that was installed beside it; to Node that
 * line is a string and a comment. The young generation is kept small: a service and an agent make short-lived objects
 * all the time, and a large one only makes them resident. It is collected by one thread: while 100,000 blocks are loaded
 * a collection takes 9 ms at most, and 20 with helpers, which wait for processors that the kernel works on. Without the
 * shell, Node from 22.18 on reads this file and can say that it is too old; older ones refuse the ending .ts before any
 * line of it runs.
 */
import module from 'node:module'

const oldest = 26
const self = process.env.npm_command === undefined ? 'cordon' : 'npx cordon'

if (Number.parseInt(process.versions.node, 10) < oldest) {
  process.stderr.write(
    `error: Cordon needs Node ${oldest}, this is ${process.version}\n` +
      'hint: "npx cordon …" or "npm run cordon -- …" in its folder use the right one\n',
  )
  process.exit(2)
}

// Types are stripped and code is compiled once, then kept: half the start-up time.
module.enableCompileCache()
const { runHere } = await import('./actions/command/run-here.ts')
process.exitCode = await runHere(process.argv.slice(2), self, {
  start: async () => (await import('./start.ts')).start,
  agent: async (verb) => {
    const { commands } = await import('./agent/main.ts')
    return (asked, io) => commands[verb]([...asked.rest], io)
  },
})
