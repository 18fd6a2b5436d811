/** `cordon start` and `cordon serve`: from the first start to the last signal. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { readMembership } from '../../agent/membership.ts'
import { silent, type Transcript, temporaryFolder, type, words } from './terminal.ts'

const folder = temporaryFolder()
const started: ReturnType<typeof silent>[] = []
after(() => {
  // What a failed test left running would keep this process alive.
  for (const signals of started) signals.send('SIGTERM')
  folder.remove()
})
const data = join(folder.path, 'data')

type Running = {
  /** The first line of JSON that it said. */
  first: { url: string; admin_token: string | null; node?: string; enforcing?: boolean }
  /** Resolves with the first line that fits. */
  line(fits: (text: string) => boolean): Promise<string>
  signals: ReturnType<typeof silent>
  ended: Promise<Transcript>
}

/** Runs until its end is asked for; what it says is waited for, not slept for. */
async function run(line: string, environment: Record<string, string> = {}): Promise<Running> {
  const signals = silent()
  started.push(signals)
  let said = ''
  let wake = () => {}
  const heard = (text: string) => {
    said += text
    wake()
  }
  const ended = type([...words(line), '--json'], { signals, heard, environment })
  const failed = ended.then(({ err }) => {
    throw new Error(`it ended before: ${err}`)
  })
  failed.catch(() => {})
  const wait = async (fits: (text: string) => boolean): Promise<string> => {
    for (;;) {
      const found = said.split('\n').slice(0, -1).find(fits)
      if (found !== undefined) return found
      const more = new Promise<void>((resolve) => {
        wake = resolve
      })
      await Promise.race([more, failed])
    }
  }
  const first = JSON.parse(await wait(() => true))
  return { first, line: wait, signals, ended }
}

describe('cordon start', () => {
  let token = ''

  test('brings up a service and a node that plans for real', async () => {
    const { first, line, signals, ended } = await run(
      `start --listen 127.0.0.1:0 --data-dir ${data}`,
    )
    token = first.admin_token ?? ''
    const environment = { CORDON_URL: first.url, CORDON_TOKEN: token }
    assert.match(token, /^cordon_\w+$/)
    assert.equal(first.enforcing, false)
    const block = ['block', '203.0.113.7', '--for', '4h', '--reason', 'test']
    const { code, out, err } = await type(block, { environment })
    assert.equal(code, 0)
    // The node may not have connected yet; if it has, its word must not pass for a kernel's.
    assert.match(out + err, /in the kernel of 0 of 1|only prints|has not said yet/)
    const planned = await line((text) => text.includes('203.0.113.7'))
    assert.match(
      JSON.parse(planned).would_apply,
      /^add element inet cordon in_hosts4 \{ 203\.0\.113\.7 /,
    )
    assert.ok(existsSync(join(data, 'node', 'table.nft')))
    signals.send('SIGTERM')
    assert.equal((await ended).code, 0)
    assert.deepEqual(signals.exits, [])
  })

  test('goes on where it was: the node is known, its blocks are planned again, no token is shown', async () => {
    const { first, signals, ended } = await run(`start --listen 127.0.0.1:0 --data-dir ${data}`)
    assert.equal(first.admin_token, null)
    assert.equal(readMembership(join(data, 'node'))?.url, first.url)
    const environment = { CORDON_URL: first.url, CORDON_TOKEN: token }
    const nodes = JSON.parse((await type(['node', 'list', '--json'], { environment })).out)
    assert.deepEqual(
      nodes.map(({ name }: { name: string }) => name),
      [first.node],
    )
    const why = await type(['why', '203.0.113.7'], { environment })
    assert.equal(why.code, 3, 'a dry run blocks nothing')
    assert.match(why.out, /^203\.0\.113\.7 is ordered to be blocked until /)
    signals.send('SIGINT')
    assert.equal((await ended).code, 0)
    const again = await run(`start --listen 127.0.0.1:0 --data-dir ${data} --new-admin-token`)
    assert.match(again.first.admin_token ?? '', /^cordon_\w+$/, 'who lost his asks for another')
    again.signals.send('SIGINT')
    assert.equal((await again.ended).code, 0)
  })

  test('says on its screen what to paste next', async () => {
    const signals = silent()
    let screen = ''
    const { promise, resolve } = Promise.withResolvers<void>()
    const heard = (text: string) => {
      screen += text
      if (text.includes('Ctrl-C')) resolve()
    }
    const args = words(`start --listen 127.0.0.1:0 --data-dir ${join(folder.path, 'screen')}`)
    const ended = type(args, { signals, heard })
    await Promise.race([promise, ended])
    signals.send('SIGINT')
    const { code, err } = await ended
    assert.equal(code, 0, err)
    assert.match(screen, /export CORDON_TOKEN=cordon_/)
    assert.match(screen, /^curl [\s\S]*"timestamp": "\$\(date [\s\S]*^END$/m)
    assert.match(
      screen,
      /cordon decision list\n.*cordon why 203\.0\.113\.7\n.*cordon lift 203\.0\.113\.7/,
    )
    assert.match(screen, /cordon node enrol/)
    const state = join(folder.path, 'screen', 'node')
    assert.ok(screen.includes(`CORDON_AGENT_STATE_DIR=${state} cordon agent status`), screen)
  })
})

describe('cordon serve', () => {
  test('reads the policy again at SIGHUP, and keeps the one in force when the file is wrong', async () => {
    const policy = join(folder.path, 'policy.yaml')
    const rule = (name: string) =>
      `version: 1\nrules: [{ name: ${name}, because: so, when: "true", verdict: watch }]\n`
    writeFileSync(policy, rule('first'))
    const line = `serve --listen 127.0.0.1:0 --data-dir ${join(folder.path, 'serve')} --policy ${policy}`
    const { first, signals, ended } = await run(line)
    const environment = { CORDON_URL: first.url, CORDON_TOKEN: first.admin_token ?? '' }
    const shown = async () => (await type(['policy', 'show'], { environment })).out
    writeFileSync(policy, rule('second'))
    signals.send('SIGHUP')
    assert.equal(await shown(), rule('second'))
    writeFileSync(policy, 'rules: [')
    signals.send('SIGHUP')
    assert.equal(await shown(), rule('second'))
    signals.send('SIGTERM')
    signals.send('SIGTERM')
    const { code, err } = await ended
    assert.equal(code, 0)
    assert.match(err, /the policy was read again/)
    assert.match(err, /the policy file is refused, the one in force stays/)
  })

  test('prints no secret: the admin token is in a file that only its user can read', async () => {
    const signals = silent()
    started.push(signals)
    const { promise, resolve } = Promise.withResolvers<void>()
    let said = ''
    const heard = (text: string) => {
      said += text
      resolve()
    }
    const dir = join(folder.path, 'quiet')
    const ended = type(words(`serve --listen 127.0.0.1:0 --data-dir ${dir}`), { signals, heard })
    await Promise.race([promise, ended])
    signals.send('SIGTERM')
    const { code, err } = await ended
    assert.equal(code, 0, err)
    const path = join(dir, 'admin-token')
    assert.match(said, /^Cordon serves at http:\/\/127\.0\.0\.1:\d+\n/)
    assert.ok(said.endsWith(`The admin token is in ${path}\n`), said)
    assert.match(readFileSync(path, 'utf8'), /^cordon_\w+\n$/)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.doesNotMatch(said + err, /cordon_/)
  })

  test('gives who lost the admin token a new one when asked to, and the journal has it', async () => {
    const line = `serve --listen 127.0.0.1:0 --data-dir ${join(folder.path, 'lost')}`
    const turn = async (more: string) => {
      const running = await run(`${line}${more}`)
      const stop = async () => {
        running.signals.send('SIGTERM')
        assert.equal((await running.ended).code, 0)
      }
      return { ...running.first, stop }
    }
    const first = await turn('')
    await first.stop()
    const second = await turn('')
    assert.equal(second.admin_token, null)
    await second.stop()
    const third = await turn(' --new-admin-token')
    const environment = { CORDON_URL: third.url, CORDON_TOKEN: third.admin_token ?? '' }
    const tokens = JSON.parse((await type(['token', 'list', '--json'], { environment })).out)
    const journal = (await type(['journal', 'list'], { environment })).out
    await third.stop()
    assert.deepEqual(
      tokens.map(({ name }: { name: string }) => name),
      ['first-admin', 'admin-2'],
    )
    assert.match(journal, new RegExp(`service +token\\.create +${tokens[1].id}`))
  })

  test('ends at once at the second signal', async () => {
    const { signals, ended } = await run(
      `serve --listen 127.0.0.1:0 --data-dir ${join(folder.path, 'twice')}`,
    )
    signals.send('SIGINT')
    await Promise.resolve()
    signals.send('SIGINT')
    assert.deepEqual(signals.exits, [1])
    await ended
  })
})

describe('settings', () => {
  test('a port that there is not is refused before anything is made', async () => {
    const dir = join(folder.path, 'port')
    const { code, err } = await type(words(`serve --listen 127.0.0.1:70000 --data-dir ${dir}`))
    assert.equal(code, 2)
    assert.match(err, /^error: setting listen: ports end at 65535\n/)
    assert.equal(existsSync(dir), false)
  })

  const refused: [what: string, environment: Record<string, string>, hint: string][] = [
    ['the service', { CORDON_LISTN: 'x' }, 'did you mean CORDON_LISTEN?'],
    ['a connector', { CORDON_SURICATA_FILE: 'x' }, 'did you mean CORDON_SURICATA_FILES?'],
    ['the node', { CORDON_AGENT_ENFORC: '1' }, 'did you mean CORDON_AGENT_ENFORCE?'],
    ['the command line', { CORDON_TOKN: 'x' }, 'did you mean CORDON_TOKEN?'],
  ]
  for (const [what, environment, hint] of refused)
    test(`a mistyped name of ${what} is refused with the nearest`, async () => {
      const { code, err } = await type(['start', '--data-dir', join(folder.path, 'no')], {
        environment,
      })
      assert.equal(code, 2)
      assert.match(err, /^error: there is no setting CORDON_/)
      assert.ok(err.endsWith(`hint: ${hint}\n`), err)
      assert.equal(existsSync(join(folder.path, 'no')), false)
    })

  const files: [what: string, text: string, error: RegExp][] = [
    ['an unknown section', 'servce: {}', /has a section servce/],
    [
      'an unknown key',
      'service: { listn: x }',
      /there is no setting listn\nhint: did you mean listen/,
    ],
    [
      'an unknown key of a connector',
      'connectors: { wazuh: { file: x } }',
      /setting file\nhint: .*files/,
    ],
    [
      'an unknown connector',
      'connectors: { wazu: {} }',
      /no connector wazu\nhint: did you mean wazuh/,
    ],
    ['what is no YAML', 'service: [', /cannot be read as YAML/],
  ]
  for (const [what, text, error] of files)
    test(`a settings file with ${what} is refused`, async () => {
      const file = join(folder.path, 'settings.yaml')
      writeFileSync(file, text)
      const line = `serve --settings ${file} --listen 127.0.0.1:0 --data-dir ${join(folder.path, 'f')}`
      const { code, err } = await type(words(line))
      assert.equal(code, 2)
      assert.match(err, error)
    })

  test('an option is stronger than the environment, and that than the file', async () => {
    const file = join(folder.path, 'strong.yaml')
    const inFile = join(folder.path, 'in-file')
    const inOption = join(folder.path, 'in-option')
    writeFileSync(
      file,
      `service: { data_dir: ${inFile}, listen: "127.0.0.1:0", connectors: [webhook] }\n`,
    )
    const { first, signals, ended } = await run(`serve --settings ${file} --data-dir ${inOption}`, {
      CORDON_DATA_DIR: join(folder.path, 'in-environment'),
      CORDON_CONNECTORS: 'suricata',
    })
    const environment = { CORDON_URL: first.url, CORDON_TOKEN: first.admin_token ?? '' }
    const { connectors } = JSON.parse(
      (await type(['connector', 'list', '--json'], { environment })).out,
    )
    signals.send('SIGTERM')
    await ended
    assert.deepEqual([existsSync(inOption), existsSync(inFile)], [true, false])
    assert.deepEqual(
      connectors.map(({ name }: { name: string }) => name),
      ['suricata'],
    )
  })
})
