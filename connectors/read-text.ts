/** The text of an answer, bounded: who sends more, or breaks off, is told as a Problem. */
import { Problem } from '#contract/problem.ts'

/** `who` is for people: `too_large` and `service_unreachable` name him, and `address` the setting that is to be checked. */
export type Asked = { who: string; address: string; mostBytes: number }

export async function readText(
  { body }: Pick<Response, 'body'>,
  { who, address, mostBytes }: Asked,
): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  try {
    for await (const chunk of body ?? []) {
      bytes += chunk.byteLength
      if (bytes > mostBytes) break
      text += decoder.decode(chunk, { stream: true })
    }
  } catch (error) {
    throw new Problem('service_unreachable', `the answer of ${who} broke off`, {
      remedy: `it is tried again by itself; see what stands between here and ${who}`,
      cause: error,
    })
  }
  if (bytes <= mostBytes) return text + decoder.decode()
  throw new Problem('too_large', `${who} sent more than ${mostBytes} bytes`, {
    remedy: `check ${address}: this is no answer of ${who}`,
  })
}
