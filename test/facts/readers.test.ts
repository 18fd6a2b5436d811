/** Formats of lists as their makers write them, and what is left out of each. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { networksOf } from '../../actions/facts/lists/ranges.ts'
import { type ListRead, type ReadOptions, readList } from '../../actions/facts/lists/read-list.ts'

const options: ReadOptions = {
  format: 'auto',
  column: undefined,
  max_entries: 1_000,
  widest: { 4: 8, 6: 19 },
  protectedNetworks: [],
}
const read = (text: string, more: Partial<ReadOptions> = {}) =>
  readList(text, { ...options, ...more })
const networks = ({ ranges }: ListRead) => [...networksOf(ranges)].map(({ text }) => text)
const refused = (text: string, what: RegExp, more: Partial<ReadOptions> = {}) =>
  assert.throws(() => read(text, more), { code: 'invalid_input', message: what })

const netset = `#
# example_level1
#
# ipv4 hash:net ipset
#
# Source File Date: Sat Jun 13 01:31:20 UTC 2026
#
# Category        : attacks
# Entries         : 3 subnets, 513 unique IPs
#
192.0.2.0/25
192.0.2.128/25
203.0.113.7
`
const drop = `{"cidr":"192.0.2.0\\/24","sblid":"SBL1","rir":"ripencc"}
{"cidr":"2001:db8::/32","sblid":"SBL2","rir":"arin"}
{"type":"metadata","timestamp":1767225600,"size":123,"records":2,"copyright":"(c)","terms":"x"}
`
const feodoCsv = `################################################
# Example Botnet C2 IP Blocklist (CSV)         #
# Last updated: 2026-03-04 14:28:39 UTC        #
################################################
"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware"
"2022-06-04 21:24:53","192.0.2.9","8080","offline","2026-03-07","Emotet"
"2025-12-30 13:56:31","198.51.100.3","443","online","2026-03-12","Qak, Bot"
# END 2 entries
`

describe('formats', () => {
  test('a netset: hosts and networks mixed, joined where they touch, with the date of its source', () => {
    const list = read(netset)
    assert.deepEqual(networks(list), ['192.0.2.0/24', '203.0.113.7'])
    assert.deepEqual([list.entries, list.made], [3, Date.UTC(2026, 5, 13, 1, 31, 20)])
  })
  test('Spamhaus DROP as JSON lines, with its escaped slashes and the time of its metadata', () => {
    const list = read(drop)
    assert.deepEqual(networks(list), ['192.0.2.0/24', '2001:db8::/32'])
    assert.equal(list.made, 1_767_225_600_000)
  })
  test('Spamhaus DROP as text: the SBL number behind the semicolon is a comment', () => {
    const list = read(
      `; Example DROP List 2026/03/01\n; Last-Modified: Sun, 01 Mar 2026 10:00:00 GMT\n192.0.2.0/24 ; SBL1\n198.51.100.0/24;SBL2\n`,
    )
    assert.deepEqual(networks(list), ['192.0.2.0/24', '198.51.100.0/24'])
    assert.equal(list.made, Date.UTC(2026, 2, 1, 10))
  })
  test('abuse.ch CSV: the column is found by its name, commas within quotes belong to the cell', () => {
    const list = read(feodoCsv)
    assert.deepEqual(networks(list), ['192.0.2.9', '198.51.100.3'])
    assert.equal(list.made, Date.UTC(2026, 2, 4, 14, 28, 39))
  })
  test('abuse.ch CSV whose header is a comment', () => {
    const list = read('# Firstseen,DstIP,DstPort\n2026-03-01 10:00:00,192.0.2.9,443\n')
    assert.deepEqual(networks(list), ['192.0.2.9'])
  })
  test('a CSV without header: the first row shows the column', () => {
    assert.deepEqual(networks(read('7,192.0.2.9,x\n8,198.51.100.1,y\n')), [
      '192.0.2.9',
      '198.51.100.1',
    ])
  })
  test('a CSV whose column is set by name or by number', () => {
    const text = 'source,target\n192.0.2.1,198.51.100.1\n'
    assert.deepEqual(networks(read(text, { column: 'target' })), ['198.51.100.1'])
    assert.deepEqual(networks(read('192.0.2.1,198.51.100.1\n', { column: '2', format: 'csv' })), [
      '198.51.100.1',
    ])
    refused(text, /no column "victim"/, { column: 'victim' })
  })
  test('an indicator with the port of its server is the host', () => {
    assert.deepEqual(networks(read('id,ioc_value\n1,"192.0.2.9:8080"\n')), ['192.0.2.9'])
  })
  test('the JSON array of abuse.ch Feodo, and the blacklist of AbuseIPDB', () => {
    assert.deepEqual(networks(read('[{"ip_address":"192.0.2.9","port":443}]')), ['192.0.2.9'])
    const blacklist = read(
      '{"meta":{"generatedAt":"2026-03-01T10:00:00+00:00"},"data":[{"ipAddress":"2001:db8::9"}]}',
    )
    assert.deepEqual(
      [networks(blacklist), blacklist.made],
      [['2001:db8::9'], Date.UTC(2026, 2, 1, 10)],
    )
  })
  test('a byte order mark in front changes nothing', () => {
    for (const text of ['\ufeff["192.0.2.1"]', '\ufeff192.0.2.1\n', '\ufeffip,x\n192.0.2.1,y\n'])
      assert.deepEqual(networks(read(text)), ['192.0.2.1'])
  })
  test('plain text with CRLF, blank lines, trailing comments and no line end at the end', () => {
    assert.deepEqual(networks(read('\r\n192.0.2.1 # scanner\r\n\r\n// note\r\n2001:DB8::7')), [
      '192.0.2.1',
      '2001:db8::7',
    ])
  })
  test('host bits are cleared, and IPv4 written as IPv6 is IPv4', () => {
    assert.deepEqual(networks(read('192.0.2.77/24\n::ffff:198.51.100.1\n')), [
      '192.0.2.0/24',
      '198.51.100.1',
    ])
  })
})

describe('what is empty, cut or garbage', () => {
  test('a list that is empty on purpose says so by its format', () => {
    for (const text of [
      '# nothing today\n',
      '[]',
      '{"type":"metadata","records":0}\n',
      '"ip","port"\n',
    ])
      assert.deepEqual([read(text).entries, networks(read(text))], [0, []], text)
  })
  test('no text at all is no empty list', () => {
    for (const text of ['', '\n', '  \r\n'])
      refused(text, /is empty and does not even have a heading/)
  })
  test('HTML is a page, not a list, whatever the format that is set', () => {
    for (const format of ['auto', 'text', 'csv', 'json', 'drop_json'] as const)
      refused('\n<!DOCTYPE html><html>203.0.113.7</html>', /turned to HTML/, { format })
  })
  test('a list that is cut is recognised by what it says of itself', () => {
    refused(netset.slice(0, netset.indexOf('203.0')), /is cut: 2 of 3/)
    refused(drop.slice(0, drop.indexOf('{"type"')), /is cut: its last line/)
    refused('[{"ip_address":"192.0.2.9"},{"ip_ad', /is cut, or is no JSON/)
    refused(feodoCsv.replace('"2025', '# "2025'), /is cut: 1 of 2/)
  })
  test('text of which most is no address is refused, and the first of it is named', () => {
    refused('Error, your quota\nis used up\n192.0.2.1\n', /2 of 3 lines are no addresses/, {
      format: 'text',
    })
    refused('Error, your quota is used up\n', /1 of 1/)
    refused('{"error":"quota"}', /is no array/)
  })
  test('single lines that cannot be read are counted and named, and the rest goes on', () => {
    const list = read(
      '192.0.2.1\n192.0.2.300\n192.0.02.1\n192.0.2.0/33\n198.51.100.1\n198.51.100.2\n198.51.100.9\u202e\n203.0.113.0/24\n203.0.112.1',
    )
    assert.equal(list.left.unreadable, 4)
    assert.deepEqual(list.examples[0], '192.0.2.300 (unreadable)')
    assert.match(list.examples[3] ?? '', /u\{202e\}/)
  })
  test('more entries than allowed are refused while they are read', () => {
    assert.throws(() => read('192.0.2.1\n192.0.2.2\n192.0.2.3\n', { max_entries: 2 }), {
      code: 'too_large',
    })
  })
})

describe('what is never in a list', () => {
  test('0.0.0.0/0 and all that is wider than allowed', () => {
    const list = read('0.0.0.0/0\n::/0\n16.0.0.0/7\n2000::/12\n192.0.2.0/24\n')
    assert.deepEqual([list.left.wide, networks(list)], [4, ['192.0.2.0/24']])
  })
  test('bogons: private, loopback, multicast, reserved', () => {
    const list = read(
      '0.0.0.0/8\n10.0.0.0/8\n127.0.0.1\n169.254.1.1\n172.16.5.0/24\n192.168.0.0/16\n224.0.0.0/8\n255.255.255.255\n100.64.0.1\n::1\nfe80::/64\nfc00::/24\nff02::1\n64:ff9b::1\n192.0.2.1\n',
    )
    assert.deepEqual([list.left.bogon, networks(list)], [14, ['192.0.2.1']])
  })
  test('what overlaps a protected network, in both directions', () => {
    const list = read('192.0.2.0/24\n198.51.100.7\n203.0.113.0/24\n2001:db8::/32\n', {
      protectedNetworks: ['192.0.2.1', '198.51.100.0/24', '2001:db8:7::1'],
    })
    assert.deepEqual([list.left.protected, networks(list)], [3, ['203.0.113.0/24']])
  })
})
