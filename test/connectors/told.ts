/** Notices, and a certificate for servers on loopback, as the tests of channels need them. */
import { generate } from 'selfsigned'
import type { Notice } from '#contract/notice.ts'

export function notice(number: number, more: Partial<Notice> = {}): Notice {
  return {
    version: 1,
    id: `cordon-test:journal:${number}`,
    event: 'decision.wait',
    urgency: 'high',
    at: '2026-03-01T03:00:00.000Z',
    actor: 'policy',
    subject: 'd-4x7k2m9qz1hb0wfa',
    title: 'Waits for a person: block 203.0.113.7?',
    text: 'Asked: whether to block 203.0.113.7.\nSee: cordon decision show d-4x7k2m9qz1hb0wfa',
    answers: [],
    details: {},
    ...more,
  }
}

export const approve = { label: 'Approve', url: 'https://cordon.example.org/answer/secret-one' }

/** For 127.0.0.1, trusted by nobody who was not told to. */
export async function ownCertificate(): Promise<{ cert: string; key: string }> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          { type: 2, value: 'localhost' },
        ],
      },
    ],
  })
  return { cert: made.cert, key: made.private }
}
