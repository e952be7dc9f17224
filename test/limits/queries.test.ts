/** Limits that become the page of a query: within their documented range every one of them must work. */
import { describe, expect, it, test } from 'vitest'
import { LIMITS, type LimitName, readLimits } from '../../lib/config.ts'
import { createExecution } from '../../lib/job/execution.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { idOf } from '../../lib/job/id.ts'
import { listJobs } from '../../lib/job/list.ts'
import { fireDue } from '../../lib/schedule/due.ts'
import { createPolicy, deletePolicy, listPolicies } from '../../lib/schedule/policy.ts'
import { PAGE_ITEMS_MAX } from '../../lib/store/page.ts'
import { createWorld, DIGEST, TENANT, tagRegistry } from '../job/world.ts'

/** What of each reaches a query. */
const ASKED: { [name in LimitName]?: (value: number) => number } = {
  sweepPageMax: (value) => value,
  listKeysMax: (value) => value,
  fanOutPageItems: (value) => value,
  // One more is looked at.
  pageItemsMax: (value) => value + 1,
}

test.each(Object.entries(ASKED))('%s asks a query for no more than it gives', (name, asked) => {
  const { min, max, default: value } = LIMITS[name as LimitName]
  expect(asked(max)).toBeLessThanOrEqual(PAGE_ITEMS_MAX)
  expect([min <= value, value <= max]).toEqual([true, true])
})

test.each(['LONGSHORE_SWEEP_PAGE_MAX', 'LONGSHORE_LIST_KEYS_MAX'])('%s is refused above what a query gives', (name) => {
  // A query gives no half items either.
  for (const value of ['1001', '10000', '999.5']) {
    const message = expect.stringMatching(`^${name}=${value} is not a whole number from 1?00? to 1000$`)
    expect(() => readLimits({ [name]: value })).toThrow(expect.objectContaining({ code: 'config-invalid', message }))
  }
  expect(() => readLimits({ [name]: '1000' })).not.toThrow()
})

describe('with each limit at its maximum', () => {
  const limits = Object.fromEntries(Object.keys(ASKED).map((name) => [name, LIMITS[name as LimitName].max]))

  it('the sweep, the schedule, a retry and the lists do their work', async () => {
    const world = createWorld({ limits, registry: tagRegistry({ app: { v1: DIGEST } }) })
    const { env } = world
    world.runs.unshift(async (context) => context.cancel('not today'))
    const images = ['app:v1']
    const { id } = await createPolicy(TENANT, { name: 'p', type: 'probe', images, cron: '*/5 * * * *' }, env)
    await world.clock.advance(5 * 60_000)
    expect(await fireDue(env)).toBe(1)
    const execution = idOf('test', 'limits')
    await createExecution({ id: execution, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images } }, env)
    for (const queue of ['fan-out', 'probe-bulk']) await world.deliver(queue)
    await world.clock.advance(61_000)
    expect(await world.sweep()).toMatchObject({ events: 2 })
    await retryExecution(TENANT, execution, 'unsuccessful', env).catch(() => undefined)
    for (const queue of ['fan-out', 'probe-bulk']) await world.deliver(queue)
    expect((await readExecution(TENANT, execution, env))?.fanOut).toBe('done')
    const filter = { tenant: TENANT, types: ['probe'] }
    const { jobs } = await listJobs({ ...filter, execution }, LIMITS.pageItemsMax.max, undefined, env)
    expect(jobs.length).toBeGreaterThan(0)
    expect((await listJobs(filter, LIMITS.pageItemsMax.max, undefined, env)).jobs).toEqual([])
    expect((await listPolicies(TENANT, LIMITS.pageItemsMax.max, undefined, env)).policies).toHaveLength(1)
    await deletePolicy(TENANT, id, env)
  })
})
