/** What a self-check finds. */

/** One part of the service. `detail` is one sentence: what is there, or what is wrong and what to do. */
export interface Check {
  name: 'table' | 'queues' | 'clock' | 'bucket' | 'advisories' | 'sweeper' | 'waiting'
  ok: boolean
  detail: string
}

/** What is wrong, in one line; undefined when nothing is. */
export function problemOf(checks: readonly Check[]): string | undefined {
  const wrong = checks.filter(({ ok }) => !ok)
  const [first] = wrong
  if (!first) return undefined
  const more = wrong.slice(1).map(({ name }) => name)
  return `${first.name}: ${first.detail}${more.length > 0 ? ` (also wrong: ${more.join(', ')})` : ''}`
}
