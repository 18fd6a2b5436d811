/** Text that an attacker may have chosen, made safe to show: no control or direction characters. */

// C0, DEL, C1, line and paragraph separators, zero-width and bidirectional controls, byte order mark.
const hidden = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Hidden characters become `\u{hex}`, so that they are seen, and the rest is cut at `limit` characters. */
export function printable(text: string, limit = 300): string {
  const shown = text.replace(hidden, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`)
  return shown.length > limit ? `${shown.slice(0, limit - 1)}…` : shown
}
