/** What must hold when everything has come to rest. */
import { outcomeLine, readLog } from '../../lib/job/log.ts'
import { isTerminal } from '../../lib/job/record.ts'
import { isCounted, type Witness } from './witness.ts'
import type { World } from './world.ts'

export async function atRest(world: World, witness: Witness, runs: Map<string, number>, items: number): Promise<void> {
  const fail = (text: string) => witness.fail(text)
  const byKey = new Map<string, string>()
  for (const { id, key } of witness.answers) {
    if (!witness.jobs.has(id)) fail(`I2 the accepted job ${id} has no record`)
    if (key === undefined) continue
    const first = byKey.get(key) ?? id
    byKey.set(key, first)
    if (first !== id) fail(`I1 key ${key} made two jobs: ${first}, ${id}`)
  }
  const retryOf = new Map<string, string>()
  for (const [id, job] of witness.jobs) {
    if (!isTerminal(job.status)) {
      fail(`I2 job ${id} is still ${job.status} (fence ${job.fence}, sends ${job.sends}, due ${job.dueAt})`)
      continue
    }
    if (!witness.announcedAs.has(id)) fail(`I12 the end of job ${id} was never handed over`)
    if (job.status === 'success' && (runs.get(id) ?? 0) < 1) fail(`job ${id} succeeded without a run`)
    const attempts = job.failures + job.attempting
    if (attempts > job.maxAttempts) fail(`I2 job ${id} had ${attempts} attempts, ${job.maxAttempts} allowed`)
    const last = outcomeLine({ ...job, id })
    if (!last.includes(`job ${job.status}`) || (job.error && !last.includes(job.error.code)))
      fail(`I11 the last line of job ${id} does not tell its end`)
    if (job.retryOf !== undefined) {
      // A child may be retried by hand, which makes a job of its own, and by its execution.
      const once = `${job.execution ?? 'by hand'} ${job.retryOf}`
      if (retryOf.has(once)) fail(`I1 job ${job.retryOf} was retried by two jobs`)
      retryOf.set(once, id)
    }
  }
  for (const id of witness.stopsAcknowledged)
    if (witness.jobs.get(id)?.status !== 'stopped')
      fail(`I5 job ${id} was stopped and is ${witness.jobs.get(id)?.status}`)
  for (const { old, fresh } of witness.retries)
    if (!witness.jobs.get(old)?.execution && witness.jobs.get(old)?.retriedBy !== fresh)
      fail(`job ${old} does not name ${fresh}, which retries it`)
  executionsAtRest(witness, items)
  await logAtRest(world, witness)
}

function executionsAtRest(witness: Witness, items: number): void {
  for (const [id, execution] of witness.executions) {
    const children = [...witness.jobs.values()].filter((job) => job.execution === id && isCounted(job))
    const digests = new Set(children.map((job) => job.image.digest))
    if (digests.size !== children.length) witness.fail(`I13 execution ${id} has two children of one image`)
    if (execution.status === 'running') witness.fail(`I2 execution ${id} is still running`)
    if (witness.executionStops.has(id) && execution.status !== 'stopped')
      witness.fail(`I5 execution ${id} was stopped and is ${execution.status}`)
    const whole = execution.status === 'success' || (execution.status === 'error' && !execution.error)
    if (whole && execution.unresolved === 0 && children.length < items)
      witness.fail(`I13 execution ${id} ended as ${execution.status} with ${children.length} of ${items} images`)
    const retry = witness.executionRetries.get(id)
    if (!retry || !whole || retry.generation !== execution.generation) continue
    for (const child of witness.unsuccessful.get(id) ?? []) {
      const job = witness.jobs.get(child)!
      if (isCounted(job) && (job.status === 'error' || retry.mode === 'unsuccessful'))
        witness.fail(`I2 a child of execution ${id} ended as ${job.status} and was not retried with it`)
    }
  }
}

/** I11: the log can be read, from its first line to its last. One job of a history stands for all. */
async function logAtRest(world: World, witness: Witness): Promise<void> {
  const first = witness.jobs.entries().next().value
  if (!first || world.script.seed % 8 !== 0) return
  const [id, job] = first
  const { text } = await readLog(world.blobs, { ...job, id, tenant: witness.tenants.get(id)! })
  if (!text.includes('accepted') || !text.trimEnd().split('\n').at(-1)?.includes(`job ${job.status}`))
    witness.fail(`I11 the log of job ${id} is not whole`)
}
