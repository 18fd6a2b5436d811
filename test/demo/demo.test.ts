/** The demo, run as a newcomer runs it: what it shows is true, and nothing of it stays. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { whatIsLeft } from './left-behind.ts'
import type { Facts } from './play.ts'
import type { DryFacts } from './play-dry.ts'
import { whyNotPrivate } from './private.ts'
import { whole } from './screen.ts'

const demo = fileURLToPath(new URL('demo.ts', import.meta.url))
const colour = '\u001b['

const why = whyNotPrivate()
const required = Boolean(process.env.CI || process.env.CORDON_REQUIRE_KERNEL)
if (why !== undefined && required) throw new Error(`no private namespaces with nftables: ${why}`)

describe('on real kernels', { skip: why ?? false }, () => {
  test('both attackers are cut on all nodes and come back, and a clean client notices nothing', async (context) => {
    const run = startDemo(context, [])
    assert.equal(await run.ended, 0, run.text())
    const facts = run.facts<Facts>()
    for (const { judged, signed, inKernel, cuts, decision } of facts.acts) {
      assert.ok(judged > 0 && judged <= signed)
      assert.deepEqual([inKernel.length, cuts.length, decision.nodes.applied], [3, 3, 3])
      for (const [node, { lastIn, firstLost, firstIn = Number.NaN }] of cuts.entries()) {
        const arrival = inKernel[node] ?? Number.NaN
        assert.ok(signed < arrival, 'signed before it is enforced')
        assert.ok(lastIn < arrival, 'nothing comes through once the kernel has it')
        assert.ok(lastIn < firstLost && firstLost < firstIn, 'cut, then back')
      }
    }
    const [wazuh, suricata] = facts.acts
    assert.equal(wazuh.target, '203.0.113.66')
    assert.ok((wazuh.answered ?? Number.NaN) > wazuh.signed, 'answered when it is on the disk')
    assert.equal(suricata.target, '2001:db8:bad::/64')

    const { killed, flows, visitor } = facts
    for (const { firstIn = Number.NaN } of wazuh.cuts) assert.ok(killed.at < firstIn)
    assert.deepEqual([killed.changesAfter, killed.leaks], [0, 0])
    assert.ok(killed.dropped > 0)
    const { attacker } = flows
    assert.ok(attacker.freed ? attacker.again !== undefined : whole(attacker), 'freed, or goes on')

    assert.ok(visitor.sent > 0)
    assert.deepEqual([visitor.answered, visitor.cuts], [visitor.sent, 0])
    assert.ok(whole(flows.visitor))
    assert.deepEqual(whatIsLeft(facts.namespaces), { processes: 0, mounts: 0 })
    run.assertNothingLeft()
    assertReads(run.text(), [
      'service',
      'nodes',
      'attacker',
      'visitor',
      '1 Wazuh posts an alert',
      'alert sent',
      'decided: block 203.0.113.66',
      'signed, once for all nodes: d-',
      'answered to Wazuh',
      'in the kernel',
      'last ping that came through',
      'first ping dropped',
      '2 Suricata appends',
      'decided: block 2001:db8:bad::/64',
      '3 Service and agents are killed',
      'comes through again',
      'What it comes to',
      ' pings lost, TCP flow whole',
      'left behind      nothing',
    ])
  })

  test('nothing stays when the demo is killed in the middle', async (context) => {
    const run = startDemo(context, [])
    await run.says('signed, once for all nodes')
    run.child.kill('SIGKILL')
    await run.isSwept()
  })

  test('nothing stays after Ctrl-C', async (context) => {
    const run = startDemo(context, [])
    await run.says('signed, once for all nodes')
    run.interrupt()
    assert.equal(await run.ended, 130)
    await run.isSwept()
  })
})

describe('dry', () => {
  test('every node says what it would do, and it is said that nothing is enforced', async (context) => {
    const run = startDemo(context, ['--dry'])
    assert.equal(await run.ended, 0, run.text())
    const { judged, signed, answered, would } = run.facts<DryFacts>()
    assert.ok(judged > 0 && judged <= signed && signed < answered)
    assert.equal(would.length, 3)
    for (const { at, script } of would) {
      assert.ok(at > signed)
      assert.match(script, /^add element inet cordon in_hosts4 \{ 203\.0\.113\.66 timeout /)
    }
    run.assertNothingLeft()
    assertReads(run.text(), [
      'Nothing is enforced',
      '1 Wazuh posts an alert',
      'decided: block 203.0.113.66',
      'signed, once for all nodes: d-',
      'web-1',
      'web-2',
      'web-3',
      'sudo npm run demo',
    ])
  })

  test('nothing stays when it is killed in the middle', async (context) => {
    const run = startDemo(context, ['--dry'])
    await run.says('attacker')
    await run.has('agent')
    run.child.kill('SIGKILL')
    await run.isSwept()
  })
})

test('an option that there is not is told with those that there are', async (context) => {
  const run = startDemo(context, ['--wet'])
  assert.equal(await run.ended, 2)
  assert.match(run.text(), /^error: .*--wet[\s\S]*--dry/)
})

let runs = 0

/** All that a run starts bears a mark in its environment, and has a folder for temporary files to itself. */
function startDemo(context: TestContext, options: readonly string[]) {
  // No name of Cordon's own: the demo keeps those from what it starts.
  const mark = `DEMO_TEST_MARK=${process.pid}-${++runs}`
  const outside = mkdtempSync(join(tmpdir(), 'cordon-test-demo-'))
  const json = join(outside, 'facts.json')
  const temporary = mkdtempSync(join(outside, 'tmp-'))
  const [name = '', value] = mark.split('=')
  // A group of its own, as a terminal gives it, so that Ctrl-C can be pressed.
  const child = spawn(process.execPath, [demo, ...options, '--json', json], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, [name]: value, TMPDIR: temporary, FORCE_COLOR: undefined },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  context.after(() => {
    child.kill('SIGKILL')
    rmSync(outside, { recursive: true, force: true })
  })
  const gone = () => child.exitCode !== null || child.signalCode !== null
  const remains = () => ({ processes: bearing(mark), files: readdirSync(temporary) })
  const nothing = { processes: [], files: [] }
  return {
    child,
    ended: exitCode(child),
    text: () => text,
    facts: <Of>(): Of => JSON.parse(readFileSync(json, 'utf8')),
    says: (sentence: string) =>
      until(
        () => text.includes(sentence),
        () => text,
        gone,
      ),
    has: (word: string) =>
      until(
        () => bearing(mark).some((command) => command.includes(word)),
        () => text,
        gone,
      ),
    interrupt: () => process.kill(-(child.pid ?? 0), 'SIGINT'),
    assertNothingLeft: () => assert.deepEqual(remains(), nothing),
    isSwept: () =>
      until(
        () => Object.values(remains()).every(({ length }) => length === 0),
        () => JSON.stringify(remains()),
      ),
  }
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, 'close')
  return code
}

/** The command lines of all processes that bear the mark. */
function bearing(mark: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const marked = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark)
        return marked ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : []
      } catch {
        return []
      }
    })
}

/** Fails rather than waits for ever: on a busy machine it takes a minute until all parts are up. */
async function until(met: () => boolean, known: () => string, over = () => false): Promise<void> {
  const late = AbortSignal.timeout(240_000)
  for (let last = false; !last; await pause(20)) {
    last = late.aborted || over()
    if (met()) return
  }
  assert.fail(known())
}

/** One screen of plain text, with these in this order. */
function assertReads(text: string, sentences: readonly string[]): void {
  let at = 0
  for (const sentence of sentences) {
    const found = text.indexOf(sentence, at)
    assert.notEqual(found, -1, `"${sentence}" is missing, or not in its place, in\n${text}`)
    at = found + sentence.length
  }
  const lines = text.trimEnd().split('\n')
  assert.ok(lines.length <= 48, `${lines.length} lines`)
  for (const line of lines) assert.ok(line.length <= 100, JSON.stringify(line))
  assert.ok(!text.includes(colour), 'no colour where there is no terminal')
}
