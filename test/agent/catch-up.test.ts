/** Which whole states are fetched, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { CatchUp } from '../../agent/catch-up.ts'

test('a state that is needed at any moment of the fetching of another is fetched as well', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  for (let moment = 0; moment < 30; moment++) {
    const catchUp: CatchUp = new CatchUp({
      fetch: async (audience) => ({ audience, standing: undefined, claims: [], answers: [] }),
      load: async () => {},
      caughtUp: () => {},
      failing: () => {},
      retry: () => void catchUp.run(),
      random: () => 0,
    })
    catchUp.need('all', false)
    void catchUp.run()
    for (let step = 0; step < moment; step++) await Promise.resolve()
    catchUp.need('node/web-01', false)
    void catchUp.run()
    await turn()
    context.mock.timers.tick(1)
    await turn()
    assert.equal(catchUp.needs('node/web-01'), false, `after ${moment} steps`)
    catchUp.stop()
  }
})
