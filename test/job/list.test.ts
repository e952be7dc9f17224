/** The list of jobs, read by its cursor: whatever a request's bounds cut, the pages together are the whole history. */
import { expect, it } from 'vitest'
import type { TerminalStatus } from '../../lib/glossary.ts'
import { memberKeys } from '../../lib/job/keys.ts'
import { type JobFilter, listJobs } from '../../lib/job/list.ts'
import { itemOfJob, type JobRecord } from '../../lib/job/record.ts'
import { createWorld, DIGEST, START, TENANT, type World } from './world.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** As it lies in the table when it has ended. */
async function put(world: World, n: number, createdAt: number, status: TerminalStatus): Promise<string> {
  const id = String(n).padStart(26, '0')
  const job = {
    ...{ v: 2, id, tenant: TENANT, type: 'probe', lane: 'interactive', status, params: {}, createdAt },
    image: { registry: 'registry.example', repository: 'app', digest: DIGEST },
  } as unknown as JobRecord
  await world.env.store.put({ ...itemOfJob(job), ...memberKeys(job, status) })
  return id
}

/** The ids of all pages. */
async function walk(world: World, filter: Partial<JobFilter> = {}): Promise<string[]> {
  const ids: string[] = []
  let after: string | undefined
  do {
    const page = await listJobs({ tenant: TENANT, types: ['probe'], ...filter }, 100, after, world.env)
    ids.push(...page.jobs.map(({ id }) => id))
    after = page.next
  } while (after !== undefined)
  return ids
}

it.each([
  ['at noon', 0],
  ['a millisecond after midnight', -12 * HOUR_MS + 1],
  ['a millisecond before midnight', 12 * HOUR_MS - 1],
])('a filter finds each job of a history of months, asked %s', async (_time, offset) => {
  const world = createWorld()
  await world.clock.advance(DAY_MS + offset)
  const now = world.clock.now()
  const failed: string[] = []
  for (let n = 0; n < 90 * 8; n++) {
    const isFailed = n % 3 === 0
    const id = await put(world, n, now - n * 3 * HOUR_MS, isFailed ? 'error' : 'success')
    if (isFailed) failed.push(id)
  }
  expect(await walk(world, { statuses: ['error'] })).toEqual(failed)
})

it('the jobs of a day that begins behind the days of one request are listed to its end', async () => {
  const world = createWorld()
  const day = Math.floor((START - 30 * DAY_MS) / DAY_MS) * DAY_MS
  const put24 = Array.from({ length: 24 }, (_, hour) => put(world, hour, day + hour * HOUR_MS, 'success'))
  const ids = (await Promise.all(put24)).reverse()
  expect(await walk(world)).toEqual(ids)
})

it('a day with more jobs than a request reads is listed whole', async () => {
  const world = createWorld({ limits: { listKeysMax: 100 } })
  const ids: string[] = []
  for (let n = 0; n < 350; n++) ids.push(await put(world, n, START - n * 1_000, n < 300 ? 'success' : 'error'))
  expect(await walk(world, { statuses: ['error'] })).toEqual(ids.slice(300))
})
