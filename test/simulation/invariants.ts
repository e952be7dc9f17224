/** What must hold in every history: watched at every write, and looked at when the history is over. */

import type { Status } from '../../lib/glossary.ts'
import { isTerminal, type JobRecord, jobOfItem } from '../../lib/job/record.ts'
import { TRANSITIONS } from '../../lib/job/transitions.ts'
import type { Item, Store } from '../../lib/store/port.ts'
import type { SimulatedWorld } from './world.ts'

const ALLOWED = new Set(
  Object.values(TRANSITIONS).flatMap(({ from, to }) => from.flatMap((a: Status) => to.map((b: Status) => `${a}>${b}`))),
)
/** What may still be written to a job that has ended. */
const AFTER_THE_END = new Set(['retriedBy'])

export class Watcher {
  readonly violations: string[] = []
  readonly jobs = new Map<string, JobRecord>()

  /** The store as it is, with every change of a job record looked at. */
  watch = (inner: Store): Store => ({
    ...inner,
    put: async (item, condition) => {
      await inner.put(item, condition)
      this.#see(item)
    },
    update: async (key, change, condition) => {
      const item = await inner.update(key, change, condition)
      this.#see(item)
      return item
    },
  })

  #see(item: Item): void {
    if (!item.pk.startsWith('J#')) return
    const now = jobOfItem(item)
    const was = this.jobs.get(now.id)
    this.jobs.set(now.id, structuredClone(now))
    if (!was) return
    const fail = (text: string) =>
      this.violations.push(
        `${text} (job ${now.id}, ${was.status} fence ${was.fence} -> ${now.status} fence ${now.fence})`,
      )
    if (isTerminal(was.status)) {
      const changed = Object.keys({ ...was, ...now }).filter(
        (name) => JSON.stringify(was[name as keyof JobRecord]) !== JSON.stringify(now[name as keyof JobRecord]),
      )
      if (changed.some((name) => !AFTER_THE_END.has(name))) fail(`I3 a terminal job was changed: ${changed.join(', ')}`)
    } else if (was.status !== now.status && !ALLOWED.has(`${was.status}>${now.status}`))
      fail('a transition that is not in the table')
    if (now.fence < was.fence) fail('I4 the fence went back')
    if (was.stop && isTerminal(now.status) && now.status !== 'stopped') fail('I5 a stop was overwritten')
    if (was.stop && !isTerminal(now.status) && now.fence !== was.fence) fail('I5 a stopped job was claimed again')
    if (now.status === 'success' && now.finishedBy !== now.claim) fail('I4 a run that lost its lease has committed')
  }
}

export interface Accepted {
  id: string
  key?: string
  stopAcknowledged?: boolean
}

/** When everything has come to rest. */
export function atRest(
  world: SimulatedWorld,
  watcher: Watcher,
  accepted: Accepted[],
  runs: Map<string, number>,
): string[] {
  const violations = [...watcher.violations]
  const byKey = new Map<string, string>()
  for (const { id, key, stopAcknowledged } of accepted) {
    const job = watcher.jobs.get(id)
    if (!job) {
      violations.push(`I2 the accepted job ${id} has no record`)
      continue
    }
    if (!isTerminal(job.status))
      violations.push(`I2 job ${id} is still ${job.status} (fence ${job.fence}, sends ${job.sends}, due ${job.dueAt})`)
    if (stopAcknowledged && job.status !== 'stopped') violations.push(`I5 job ${id} was stopped and is ${job.status}`)
    if (key !== undefined) {
      const first = byKey.get(key) ?? id
      byKey.set(key, first)
      if (first !== id) violations.push(`I1 key ${key} made two jobs: ${first}, ${id}`)
    }
  }
  for (const [id, job] of watcher.jobs) {
    if (isTerminal(job.status) && job.status !== 'success' && !job.error)
      violations.push(`I11 job ${id} ended as ${job.status} without a reason`)
    const events = world.events.filter((event) => event.subject === id)
    if (isTerminal(job.status) && events.length === 0) violations.push(`I12 the end of job ${id} was never handed over`)
    if (events.some((event) => event.type !== `job.${job.status}`))
      violations.push(`I12 job ${id} has an event of a status that never was`)
    if (job.status === 'success' && (runs.get(id) ?? 0) < 1) violations.push(`job ${id} succeeded without a run`)
    const attempts = job.failures + job.attempting
    if (attempts > job.maxAttempts) violations.push(`job ${id} had ${attempts} attempts, ${job.maxAttempts} allowed`)
  }
  return violations
}
