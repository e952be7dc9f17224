/**
 * `.trivyignore`: an id per line, `exp:2027-01-31` behind it for a day on which it ends, comments after `#`. The comment
 * lines right above an id are taken as the reason.
 */
import type { ExceptionRule } from './model.ts'

const NO_REASON = 'no reason is given'

export function readTrivyIgnore(text: string, source: string): ExceptionRule[] {
  const rules: ExceptionRule[] = []
  let comments: string[] = []
  for (const raw of text.split(/\r\n|\r|\n/)) {
    const line = raw.trim()
    if (line === '') comments = []
    else if (line.startsWith('#')) comments.push(line.replace(/^#+\s*/, ''))
    else {
      const [id = '', ...fields] = line.split(/\s+/)
      const expiry = fields.find((field) => field.startsWith('exp:'))?.slice('exp:'.length)
      rules.push({
        ids: [id],
        decision: 'ignored',
        reason: comments.join(' ').trim() || NO_REASON,
        // A day that is none ends the rule at once; Trivy stops at it.
        ...(expiry === undefined ? {} : { expires: expiry }),
        source,
      })
    }
  }
  return rules
}
