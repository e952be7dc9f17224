/**
 * Patterns of policies: `*` any run of characters but `/`, `**` any run, `?` one character but `/`. Matched without
 * regular expressions, in time proportional to pattern x text, so that no pattern can hang a worker.
 */
export const hasWildcard = (pattern: string): boolean => /[*?]/.test(pattern)

export function matches(pattern: string, text: string): boolean {
  const tokens = pattern.match(/\*\*|[\s\S]/g) ?? []
  // reachable[j]: the tokens so far can consume the first j characters.
  let reachable = new Uint8Array(text.length + 1)
  reachable[0] = 1
  for (const token of tokens) {
    const next = new Uint8Array(text.length + 1)
    for (let j = 0; j <= text.length; j++) {
      const wild = token === '**' || token === '*'
      if (wild && reachable[j]) next[j] = 1
      if (j === 0) continue
      const c = text[j - 1]
      if (token === '**') next[j] ||= next[j - 1]!
      else if (token === '*') next[j] ||= c !== '/' ? next[j - 1]! : 0
      else if (reachable[j - 1] && (token === '?' ? c !== '/' : c === token)) next[j] = 1
    }
    reachable = next
  }
  return reachable[text.length] === 1
}
