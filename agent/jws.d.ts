/** What is used of jws 4; the published types are those of version 3, which knew no KeyObject. */
declare module 'jws' {
  import type { KeyObject } from 'node:crypto'

  export function sign(wanted: {
    header: { alg: 'ES256'; [name: string]: string }
    payload: object
    privateKey: KeyObject
  }): string

  /** Throws for a signature that has not the length of one. */
  export function verify(jws: string, algorithm: 'ES256', key: KeyObject): boolean

  /** Nothing is verified. Null for what is no compact JWS; throws for a payload that is no JSON where that is asked for. */
  export function decode(
    jws: string,
    how?: { json: true },
  ): { header: unknown; payload: unknown } | null
}
