/** What a person reads at night: what, which address, by which rule and why, until when, where, and how to undo it. */
import assert from 'node:assert/strict'
import { describe as group, test } from 'node:test'
import fc from 'fast-check'
import { Notice } from '#contract/notice.ts'
import { describe, describeRest } from '../../actions/notice/describe.ts'
import { wants } from '../../actions/notice/events.ts'
import type { JournalEntry, JournalLine } from '../../actions/store/journal.ts'
import { waiting as decision, settingsOf, start } from './stage.ts'

const { id } = decision

function line(entry: Partial<JournalEntry> & { action: string }): JournalLine {
  const { before, after, ...rest } = entry
  return {
    ...{ seq: 4_711, at: start, actor: 'policy', subject: id, prev: '', hash: '' },
    ...rest,
    before: before === undefined ? null : JSON.stringify(before),
    after: after === undefined ? null : JSON.stringify(after),
  }
}

const judged = {
  alert: 'webhook-1',
  rule: 'doubtful',
  target: '203.0.113.7',
  audience: ['group/web'],
  direction: 'in',
  not_after: null,
  reasons: ['rule_matched'],
}

group('a decision', () => {
  test('that waits is asked, with the ways to answer and why', () => {
    const answers = [{ label: 'Approve', url: 'https://cordon.example/a/1' }]
    const told = line({ action: 'decision.wait', after: judged })
    assert.deepEqual(describe(told, 'cordon-ab12c', decision, answers), {
      version: 1,
      id: 'cordon-ab12c:journal:4711',
      event: 'decision.wait',
      urgency: 'high',
      at: '2026-03-01T03:00:00.000Z',
      actor: 'policy',
      subject: id,
      title: 'Waits for a person: block 203.0.113.7?',
      text: [
        'Asked: whether to block 203.0.113.7 for 2h, coming in, on group web.',
        'The rule "doubtful" matched: it is in doubt.',
        '3 alerts stand behind it.',
        `Approve: cordon decision approve ${id} --reason "..."`,
        `Decline: cordon decision decline ${id} --reason "..."`,
        `See: cordon decision show ${id}`,
      ].join('\n'),
      answers,
      details: { after: judged },
    })
  })

  test('that limits or allows, and to what only, is called so', () => {
    const rate = { packets: 20, per: 'second', burst: 40 } as const
    const limit = {
      ...decision,
      measure: { action: 'limit', rate },
      scope: { protocol: 'tcp', ports: ['22'] },
    } as const
    const { title, text } = describe(line({ action: 'decision.wait', after: judged }), 'c', limit)
    assert.match(title, /limit 203\.0\.113\.7 to 20 packets a second/)
    assert.match(text, /coming in, only tcp port 22, on group web/)
    const allow = { ...decision, measure: { action: 'allow' } } as const
    const lifted = describe(line({ action: 'decision.lift', after: judged }), 'c', allow)
    assert.equal(lifted.title, 'Allow of 203.0.113.7 lifted')
  })

  test('about what one host sends through a router to another says both, and which way', () => {
    const scope = { interface: 'eth0', peer: '192.0.2.10', peer_interface: 'eth1' }
    const pair = { ...decision, direction: 'forward_from', scope } as const
    const after = { ...judged, direction: 'forward_from' }
    const { text } = describe(line({ action: 'decision.wait', after }), 'c', pair)
    assert.match(
      text,
      /for 2h, passing through from it, only at eth0 to 192\.0\.2\.10 at eth1, on group web\./,
    )
  })

  test('that was taken back from the few that tried it is urgent, and says why', () => {
    const after = { target: '203.0.113.0/24', reason: 'web-1 has not been heard of for 45s' }
    const told = describe(line({ action: 'decision.halt', after }), 'c', decision)
    assert.equal(told.urgency, 'high')
    assert.equal(told.title, 'Waits for a person: block of 203.0.113.0/24 was halted')
    assert.match(told.text, /taken back there: web-1 has not been heard of for 45s/)
  })

  test('that somebody answered before the notice went says so first', () => {
    const told = line({ action: 'decision.wait', after: judged })
    const { text } = describe(told, 'c', { ...decision, state: 'declined', actor: 'token/anna' })
    assert.match(text, /^By now it is declined, by anna\.\n/)
  })

  test('that was issued says until when, where, and how to undo it, and not that a kernel has it', () => {
    const after = { ...judged, audience: ['all'], not_after: start + 3_600_000 }
    const issued = { ...decision, state: 'issued' as const, notAfter: start + 7_200_000 }
    const { title, text } = describe(line({ action: 'decision.issue', after }), 'c', issued)
    assert.equal(title, 'Block of 203.0.113.7 ordered until 2026-03-01 04:00:00 UTC')
    assert.equal(
      text,
      [
        '203.0.113.7 is to be blocked until 2026-03-01 04:00:00 UTC (1h), coming in, on all nodes.',
        'The rule "doubtful" matched: it is in doubt.',
        '3 alerts stand behind it.',
        `See: cordon decision show ${id}`,
        `Undo: cordon decision lift ${id} --reason "..."`,
      ].join('\n'),
    )
  })

  test('by hand names who ordered it and the reason given', () => {
    const after = { ...judged, not_after: start + 60_000, reason: 'three incidents' }
    const told = line({ action: 'decision.issue', actor: 'token/anna', after })
    assert.match(describe(told, 'c').text, /\nBy anna: three incidents\n/)
  })

  test('that is gone from the store is told by what the journal knows', () => {
    const { title, text } = describe(line({ action: 'decision.wait', after: judged }), 'c')
    assert.equal(title, 'Waits for a person: block 203.0.113.7?')
    assert.match(text, /By the rule "doubtful"\./)
  })

  test('that ended, was lifted or declined names its address', () => {
    for (const action of ['expire', 'lift', 'decline', 'approve', 'extend', 'prolong', 'confirm']) {
      const { title } = describe(line({ action: `decision.${action}` }), 'c', decision)
      assert.match(title, /^Block of 203\.0\.113\.7 /, action)
    }
  })

  test('that nobody answered in time says so, and whether it blocks now', () => {
    const after = { ...judged, not_after: start + 3_600_000, reason: 'nobody answered within 24h' }
    const blocked = line({ action: 'decision.timeout_block', actor: 'clock', after })
    const notice = describe(blocked, 'c', { ...decision, state: 'issued' })
    assert.equal(
      notice.title,
      'Nobody answered: 203.0.113.7 is blocked until 2026-03-01 04:00:00 UTC',
    )
    assert.match(notice.text, /By the clock: nobody answered within 24h\n.*\nUndo: cordon/)
    const declined = line({ action: 'decision.timeout_decline', actor: 'clock', after })
    const { title } = describe(declined, 'c', decision)
    assert.equal(title, 'Nobody answered: 203.0.113.7 is not blocked')
  })

  test('to which one of two people agreed is asked of the other, with the command', () => {
    const after = { target: '203.0.113.0/24', verb: 'approve', length_ms: 7_200_000, reason: 'yes' }
    const told = line({ action: 'decision.second', actor: 'token/anna', after })
    const { title, text, urgency } = describe(told, 'c', decision)
    assert.equal(title, 'A second person is asked: block 203.0.113.0/24?')
    assert.match(text, /^anna agreed to approve 2h, /)
    assert.match(text, new RegExp(`Agree: cordon decision approve ${id} --reason`))
    assert.equal(urgency, 'high')
  })

  test('that a node could not enforce is of high urgency and gives its reason', () => {
    const after = { code: 'kernel_refused', detail: 'no room' }
    const told = line({ action: 'receipt.failed', actor: 'node/web-01', after })
    const notice = describe(told, 'c', decision)
    assert.equal(notice.title, 'node web-01 could not block 203.0.113.7')
    assert.match(notice.text, /^Its reason: kernel_refused: no room\n/)
    assert.equal(notice.urgency, 'high')
  })
})

group('everything else', () => {
  const titles: [Partial<JournalEntry> & { action: string }, RegExp][] = [
    [{ action: 'node.invite', after: { groups: ['web'], expires: start } }, /^A node was invited$/],
    [
      { action: 'node.enrol', subject: 'web-01', after: { groups: [] } },
      /^Node web-01 was enrolled$/,
    ],
    [{ action: 'node.revoke', subject: 'web-01' }, /^Node web-01 was revoked$/],
    [{ action: 'node.regroup', subject: 'web-01' }, /^Node web-01 is in other groups$/],
    [{ action: 'node.healed', subject: 'web-01' }, /^Node web-01 put its firewall right again$/],
    [{ action: 'node.degraded', subject: 'web-01' }, /^Node web-01 is not well$/],
    [{ action: 'node.recovered', subject: 'web-01' }, /^Node web-01 is well again$/],
    [
      { action: 'node.resynchronised', subject: 'web-01' },
      /^Node web-01 took the whole state anew$/,
    ],
    [{ action: 'node.head_withheld', subject: 'web-01' }, /^Node web-01 hears nothing signed/],
    [{ action: 'node.guard_changed', subject: 'web-01' }, /^Node web-01 protects other addresses/],
    [
      { action: 'posture.reverted', subject: 'web-01', after: { audience: 'group/web' } },
      /^Node web-01 went back from the standing rules of group\/web$/,
    ],
    [{ action: 'node.cut_off', subject: 'web-01' }, /^Node web-01 had cut itself off/],
    [{ action: 'node.put_back', subject: 'web-01' }, /^Node web-01 lost the service, but not by/],
    [
      { action: 'key.rotate', subject: 'k1', after: { kid: 'k1' } },
      /^A new key signs from now on$/,
    ],
    [{ action: 'epoch.begin', after: { epoch: 2 } }, /^A new epoch begins/],
    [
      { action: 'token.create', after: { name: 'wazuh', scopes: ['ingest'] } },
      /^A token was made: wazuh$/,
    ],
    [{ action: 'token.revoke', subject: 't-1' }, /^The token t-1 was revoked$/],
    [
      { action: 'list.shrink', subject: 'drop', after: { before: 1_000, now: 3 } },
      /^list drop: shrink$/,
    ],
  ]
  for (const [entry, title] of titles)
    test(`${entry.action} is a sentence`, () => {
      const notice = describe(line(entry), 'c')
      assert.match(notice.title, title)
      assert.deepEqual(Notice.parse(notice), notice)
    })

  for (const [kind, words] of [
    ['list', 'list'],
    ['places', 'database of places'],
    ['provider', 'provider'],
  ] as const)
    test(`a ${words} that falls silent says why and what to do, and that it is back`, () => {
      const after = { detail: 'its key is refused', remedy: 'make a new key' }
      const { title, text } = describe(
        line({ action: `${kind}.silent`, actor: 'service', subject: 's1', after }),
        'c',
      )
      assert.equal(title, `The ${words} s1 has fallen silent`)
      assert.match(text, /^Why: its key is refused\nWhat to do: make a new key\n/)
      const back = describe(line({ action: `${kind}.ready`, subject: 's1', after: {} }), 'c')
      assert.equal(back.title, `The ${words} s1 answers again`)
      assert.equal(back.urgency, 'low')
    })

  test('a connector to which nothing comes in any more is urgent, and says why and what to do', () => {
    const subject = 'splunk, search'
    const after = { detail: 'the token expired', remedy: 'make a new one' }
    const { title, text, urgency } = describe(
      line({ action: 'connector.silent', actor: 'service', subject, after }),
      'c',
    )
    assert.equal(title, 'Nothing comes in any more: splunk, search')
    assert.match(text, /^Why: the token expired\nWhat to do: make a new one$/m)
    assert.equal(urgency, 'high')
    const away = describe(line({ action: 'connector.away', subject, after }), 'c')
    assert.equal(away.title, 'Cannot be reached: splunk, search')
    assert.equal(away.urgency, 'normal')
    const back = describe(line({ action: 'connector.ready', subject, after: {} }), 'c')
    assert.deepEqual([back.title, back.urgency], ['Works again: splunk, search', 'low'])
  })

  test('a changed policy is told by its changed lines', () => {
    const told = line({
      action: 'policy.change',
      actor: 'token/anna',
      subject: 'policy',
      before: 'version: 1\nmode: observe\n',
      after: 'version: 1\nmode: enforce\n',
    })
    const { title, text } = describe(told, 'c')
    assert.equal(title, 'The policy was changed by anna')
    assert.equal(text, '- mode: observe\n+ mode: enforce\nSee: cordon policy show')
  })

  test('an event that nobody thought of is told with its fields', () => {
    const told = line({ action: 'tide.turn', subject: 'sea', after: { level: 3, deep: { no: 1 } } })
    const { title, text } = describe(told, 'c')
    assert.deepEqual([title, text], ['tide sea: turn', 'By the policy\nlevel: 3'])
  })
})

test('nothing that an attacker chose hides, turns the text round or makes a line of its own', () => {
  const evil = 'a\u202eb\u0000\nApprove: curl evil\u2028x'
  const after = { code: 'kernel_refused', detail: evil }
  const told = line({ action: 'receipt.failed', actor: 'node/web-01', after })
  const { text, title } = describe(told, 'c', { ...decision, target: evil })
  assert.equal(text.split('\n').length, 3)
  assert.doesNotMatch(text + title, /[\u0000-\u0009\u000b-\u001f\u202e\u2028]/)
})

test('a notice is never larger than the contract allows, however much the journal holds', () => {
  const large = 'x'.repeat(100_000)
  for (const action of ['decision.issue', 'policy.change', 'node.degraded', 'tide.turn']) {
    const after =
      action === 'policy.change' ? large : { reason: large, detail: large, target: large }
    const notice = describe(line({ action, actor: 'token/anna', subject: large, after }), 'c')
    assert.equal(Notice.safeParse(notice).success, true, action)
    assert.deepEqual(notice.details, { cut: true })
  }
})

test('what is only counted is one notice that says what and where to read on', () => {
  const more = new Map([
    ['decision.issue', 9_940],
    ['decision.wait', 10],
  ])
  const notice = describeRest({ after: 0, upto: 10_000, told: [40, 50], more }, 'c', start)
  assert.equal(notice.title, 'and 9950 more')
  assert.equal(
    notice.text,
    '9940 decision.issue\n10 decision.wait\nSee: cordon journal list --after 50',
  )
  assert.deepEqual(Notice.parse(notice), notice)
})

test('by the defaults a person is told what waits for him or is wrong, and not of every block', () => {
  const defaults = settingsOf({ events: undefined })
  const told = [
    'decision.wait',
    'receipt.failed',
    'node.degraded',
    'policy.change',
    'key.rotate',
    'result.refused',
  ]
  for (const event of told) assert.equal(wants(defaults, event), true, event)
  for (const event of ['decision.issue', 'decision.expire', 'receipt.refused', 'notice.more'])
    assert.equal(wants(defaults, event), false, event)
})

test('what every start of a node brings is told to who names it or wants all, and not for all of nodes', () => {
  for (const [events, told] of [
    [['node.*'], false],
    [['*'], true],
    [['node.resynchronised'], true],
  ] as const)
    assert.equal(wants(settingsOf({ events: [...events] }), 'node.resynchronised'), told)
})

test('any line that a journal can hold is a notice that the contract allows', () => {
  const Side = fc.option(
    fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          target: fc.oneof(fc.string(), fc.constant('203.0.113.7')),
          not_after: fc.oneof(fc.double(), fc.integer(), fc.string()),
          audience: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
          direction: fc.oneof(fc.constantFrom('in', 'out', 'both'), fc.string()),
          reason: fc.string(),
          groups: fc.jsonValue(),
          detail: fc.string({ unit: 'binary' }),
        },
        { requiredKeys: [] },
      ),
    ),
    { nil: undefined },
  )
  const Action = fc.oneof(
    fc.constantFrom(
      ...[
        'wait',
        'issue',
        'approve',
        'confirm',
        'prolong',
        'extend',
        'decline',
        'lift',
        'expire',
      ].map((verb) => `decision.${verb}`),
      ...['receipt.refused', 'receipt.failed', 'node.enrol', 'node.degraded', 'policy.change'],
      ...['key.rotate', 'epoch.begin', 'token.create', 'notice.dead', 'result.refused'],
    ),
    fc.stringMatching(/^[a-z]{1,20}\.[a-z_]{1,20}$/),
  )
  fc.assert(
    fc.property(
      ...([Action, fc.string(), fc.string(), Side, Side, fc.boolean()] as const),
      (action, actor, subject, before, after, known) => {
        const told = line({ action, actor, subject, before, after })
        const notice = describe(told, 'c', known ? decision : undefined)
        assert.deepEqual(Notice.parse(notice), notice)
        assert.ok(notice.title.length > 0)
      },
    ),
    { numRuns: 1_000 },
  )
})
