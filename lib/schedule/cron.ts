/** Cron expressions with a time zone: five fields, minutes first, as in crontab(5). Wraps croner. */
import { Cron } from 'croner'
import { LongshoreError } from '../errors.ts'

/** Throws `invalid-value` whose pointer names the field. Without a cron only the zone is looked at. */
export function checkCron(cron: string | undefined, timeZone: string): void {
  const fail = (pointer: string, detail: string): never => {
    throw new LongshoreError('invalid-value', detail, { errors: [{ pointer, detail }] })
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    fail('/timeZone', `"${timeZone.slice(0, 64)}" is not a time zone; use an IANA name such as Europe/Berlin`)
  }
  if (cron === undefined) return
  if (cron.trim().split(/\s+/).length !== 5)
    fail(
      '/cron',
      `"${cron.slice(0, 64)}" is not a cron expression of five fields (minute hour day month weekday), e.g. "0 3 * * *"`,
    )
  try {
    if (!new Cron(cron, { timezone: timeZone, paused: true }).nextRun())
      fail('/cron', `"${cron}" never fires: no such date comes; write another day or month`)
  } catch (thrown) {
    if (thrown instanceof LongshoreError) throw thrown
    const why = (thrown instanceof Error ? thrown.message : String(thrown)).replace(/^CronPattern: /, '')
    const form = 'write minute hour day month weekday, e.g. "0 3 * * *"'
    fail('/cron', `"${cron.slice(0, 64)}" is not a cron expression (${why}); ${form}`)
  }
}

/** The instants after `afterMs` at which it fires, at most `count`. */
export function nextRuns(cron: string, timeZone: string, afterMs: number, count: number): number[] {
  const runs: number[] = []
  const job = new Cron(cron, { timezone: timeZone, paused: true })
  let at = new Date(afterMs)
  for (let i = 0; i < count; i++) {
    const next = job.nextRun(at)
    if (!next) break
    runs.push(next.getTime())
    at = next
  }
  return runs
}
