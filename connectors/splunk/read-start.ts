/** The beginning of an answer: what says why something was refused is never long. */

/** As far as it came: where it broke off, the status has to do. */
export async function readStart(answer: Response, most: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > most) break
    }
  } catch {
    // Told by what is missing.
  }
  return text.slice(0, most)
}
