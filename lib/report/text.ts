/** Text from images and advisories, made safe for a terminal and cut to a width. */

/** Everything that moves the cursor, hides or reorders text: C0, DEL, C1, line separators, bidirectional controls. */
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Control characters as `\xNN` or `\uNNNN`: a package name must not be able to clear a line of the report. */
export const visible = (text: string): string =>
  text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const COMBINING = /\p{Mn}|\p{Me}/u

const cells = (character: string): number => (COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1)

/** Terminal cells a text takes. */
export const width = (text: string): number => [...text].reduce((sum, character) => sum + cells(character), 0)

function take(characters: string[], budget: number): string {
  let used = 0
  let kept = ''
  for (const character of characters) {
    used += cells(character)
    if (used > budget) break
    kept += character
  }
  return kept
}

/** At most `max` cells; what is cut becomes an ellipsis, at the end or, for paths, at the start. */
export function shorten(text: string, max: number, keep: 'start' | 'end' = 'start'): string {
  if (width(text) <= max) return text
  if (max <= 1) return max === 1 ? '…' : ''
  const characters = [...text]
  if (keep === 'start') return `${take(characters, max - 1)}…`
  return `…${[...take(characters.reverse(), max - 1)].reverse().join('')}`
}

/** `shorten` and filled up with spaces. */
export function cell(text: string, max: number, keep: 'start' | 'end' = 'start'): string {
  const fitted = shorten(text, max, keep)
  return fitted + ' '.repeat(Math.max(0, max - width(fitted)))
}
