/** `npm run demo [-- --dry] [-- --json FILE]`: Cordon at work on real kernels, in namespaces of its own. */

import { fileURLToPath } from 'node:url'
import { play } from './play.ts'
import { endWithStarter, isInside, runInside } from './private.ts'
import { scene } from './screen.ts'

if (isInside()) {
  endWithStarter(() => console.log('stopped'))
  await play(scene)
  process.exit(0)
} else process.exit(await runInside(fileURLToPath(import.meta.url), () => {}))
