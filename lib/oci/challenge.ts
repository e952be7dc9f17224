/** WWW-Authenticate by RFC 9110 section 11: several challenges may stand in one header, comma-separated. */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  scheme: string
  /** Parameter names in lower case. */
  parameters: Map<string, string>
}

/** Characters; Node caps all headers together at 16 KiB, a challenge is a few hundred. */
const CHALLENGE_LENGTH_MAX = 8_192
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const SPACE = /[ \t]*/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/y

/** What cannot be read ends the list: the challenges before it still count. Linear in the length. */
export function parseChallenges(header: string): Challenge[] {
  if (header.length > CHALLENGE_LENGTH_MAX) return []
  const challenges: Challenge[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match) at = pattern.lastIndex
    return match
  }
  const skip = () => {
    take(SPACE)
    while (header[at] === ',') {
      at++
      take(SPACE)
    }
  }
  for (skip(); at < header.length; skip()) {
    const name = take(TOKEN)?.[0]
    if (name === undefined) break
    take(SPACE)
    const current = challenges.at(-1)
    if (header[at] !== '=') {
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() })
      continue
    }
    if (!current) break
    at++
    take(SPACE)
    const quoted = take(QUOTED)
    const value = quoted ? (quoted[1] ?? '').replace(/\\(.)/g, '$1') : take(TOKEN)?.[0]
    if (value === undefined) break
    current.parameters.set(name.toLowerCase(), value)
  }
  return challenges
}
