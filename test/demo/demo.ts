/** `npm run demo [-- --dry] [-- --json FILE]`: Cordon at work on real kernels, in namespaces of its own. */

import { fileURLToPath } from 'node:url'
import { play } from './play.ts'
import { endWithStarter, isInside, runInside } from './private.ts'

if (isInside()) {
  endWithStarter(() => console.log('stopped'))
  const t = performance.now()
  const facts = await play({
    begin: () => console.log('begin', performance.now() - t),
    act: (n, a) => console.log(n, JSON.stringify(a)),
    killed: console.log,
    ended: () => console.log('ended', performance.now() - t),
  })
  console.log(JSON.stringify(facts, null, 1))
  process.exit(0)
} else process.exit(await runInside(fileURLToPath(import.meta.url), () => {}))
