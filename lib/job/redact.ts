/** What must not stand in a log line. Credentials have a type that does not print; this is the second net. */

const WORDS = '(password|passwd|secret|token|signature|credential|x-amz-[a-z-]+)'
const VALUE = `[^&\\s"',}]+`

const PATTERNS: [RegExp, string][] = [
  [/\b(authorization|proxy-authorization|cookie|set-cookie)(["']?\s*[:=]\s*["']?)[^\r\n"']+/gi, '$1$2***'],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, '$1 ***'],
  [/(https?:\/\/)[^\s/@]+@/gi, '$1***@'],
  // But for a tag behind the name of a repository: `registry.example/team/sealed-secret:v1`.
  [
    new RegExp(`(?<![A-Za-z0-9])${WORDS}(["']?=["']?|["']:\\s?["']?|:\\s["']?|:["']|(?<!/\\S*):)${VALUE}`, 'gi'),
    '$1$2***',
  ],
]

/** Also what turns the direction of writing: a line must not look like another. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\n]/g

/** The text without what looks like a credential: answers quote what was sent, and others keep answers. */
export function redacted(text: string): string {
  return PATTERNS.reduce((line, [pattern, replacement]) => line.replace(pattern, replacement), text)
}

/** One printable line of at most 4,000 characters, without credentials, terminal escapes or forged line breaks. */
export function logLine(message: string): string {
  const line = redacted(message.length > 4_000 ? `${message.slice(0, 4_000)}...` : message)
  return line.replace(CONTROL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
