/**
 * Fault 50: a deployment changes the records while jobs are under way. These are items as version 1 wrote them (commit
 * 0a4e853), taken from its store: waiting, running with a dead lease, ended, an execution that lists, a policy.
 */
import { describe, expect, it } from 'vitest'
import { stopJob } from '../../lib/job/control.ts'
import { executionOfItem, readExecution } from '../../lib/job/execution-record.ts'
import { listJobs } from '../../lib/job/list.ts'
import { jobOfItem, RECORD_VERSION } from '../../lib/job/record.ts'
import { fireDue } from '../../lib/schedule/due.ts'
import { requirePolicy } from '../../lib/schedule/policy.ts'
import type { Item } from '../../lib/store/port.ts'
import { createWorld, DIGEST, START, TENANT, tagRegistry } from './world.ts'

const IMAGE = { registry: 'registry.example', repository: 'app', tag: 'latest', digest: DIGEST }
const [WAITING, RUNNING, ENDED, CHILD, EXECUTION, POLICY] = [
  '01M81J18G0M008FYZQ8YEBGVF0',
  '01M81J18G0M008FYZQ8YEBGVF1',
  '01M81J18G0M008FYZQ8YEBGVF2',
  '01M81J18G0M008FYZQ8YEBGVF3',
  '01M81J18G0M008FYZQ8YEBGVF4',
  '01M81J18G0M008FYZQ8YEBGVF5',
] as const
const day = 'M#main#probe#20261122'

const common = {
  v: 1,
  type: 'probe',
  lane: 'interactive',
  params: { name: 'app' },
  image: IMAGE,
  failures: 0,
  maxAttempts: 3,
  createdAt: START,
  submitToken: 'q83vEjRWeJCr',
}
const waiting = { sentAt: START, nextSendAt: START + 60_000, sends: 1 }

const ITEMS: Item[] = [
  {
    ...common,
    ...waiting,
    pk: `J#main#${WAITING}`,
    sk: '#',
    status: 'pending',
    attempting: 0,
    fence: 0,
    m_pk: `${day}#0`,
    m_sk: `${START}#${WAITING}`,
    o_pk: 'O#probe#0',
    o_sk: `${START + 60_000}#${WAITING}`,
  },
  {
    ...common,
    ...waiting,
    pk: `J#main#${RUNNING}`,
    sk: '#',
    status: 'running',
    attempting: 1,
    fence: 1,
    claim: 'abcdefghijklmnop',
    claimedAt: START,
    startedAt: START,
    lease: START + 30_000,
    m_pk: `${day}#1`,
    m_sk: `${START}#${RUNNING}`,
    o_pk: 'O#probe#1',
    o_sk: `${START + 30_000}#${RUNNING}`,
  },
  {
    ...common,
    pk: `J#main#${ENDED}`,
    sk: '#',
    status: 'success',
    attempting: 1,
    fence: 1,
    sends: 1,
    claim: 'abcdefghijklmnop',
    finishedBy: 'abcdefghijklmnop',
    startedAt: START,
    finishedAt: START + 1_000,
    expires: START / 1000 + 90 * 86_400,
    eventSequence: 1,
    result: { ok: true },
    m_pk: `${day}#2`,
    m_sk: `${START}#${ENDED}`,
    o_pk: 'E#2',
    o_sk: `${START + 1_000}#${ENDED}`,
  },
  {
    ...common,
    ...waiting,
    pk: `J#main#${CHILD}`,
    sk: '#',
    status: 'pending',
    lane: 'bulk',
    attempting: 0,
    fence: 0,
    execution: EXECUTION,
    m_pk: `X#main#${EXECUTION}#3`,
    m_sk: `p#${START}#${CHILD}`,
    o_pk: 'O#probe#3',
    o_sk: `${START + 60_000}#${CHILD}`,
  },
  {
    v: 1,
    pk: `X#main#${EXECUTION}`,
    sk: '#',
    id: EXECUTION,
    tenant: 'main',
    type: 'probe',
    trigger: 'request',
    status: 'running',
    spec: { images: ['app'] },
    fanOut: 'listing',
    unresolved: 0,
    unresolvedItems: [],
    fence: 0,
    failures: 0,
    lease: 0,
    nextSendAt: START + 60_000,
    sends: 1,
    createdAt: START,
    m_pk: 'XM#main#202611',
    m_sk: `${START}#${EXECUTION}`,
    o_pk: 'O#execution#0',
    o_sk: `${START + 60_000}#${EXECUTION}`,
  },
  {
    v: 1,
    pk: 'P#main',
    sk: POLICY,
    id: POLICY,
    tenant: 'main',
    name: 'hourly',
    type: 'probe',
    spec: { images: ['app'] },
    cron: '0 * * * *',
    timeZone: 'UTC',
    enabled: true,
    nextRunAt: START + 3_600_000,
    createdAt: START,
    updatedAt: START,
    revision: 1,
    o_pk: 'O#policy#1',
    o_sk: `${START + 3_600_000}#${POLICY}`,
  },
]

describe('records of version 1', () => {
  it('are the version before this one', () => {
    expect(RECORD_VERSION).toBe(2)
  })

  it('live on: what waited runs, what died is recovered, what ended is shown, what listed goes on (fault 50)', async () => {
    const world = createWorld({ registry: tagRegistry({ app: { latest: DIGEST } }) })
    for (const item of ITEMS) await world.env.store.put(item)
    const listed = await listJobs({ tenant: TENANT, types: ['probe'] }, 10, undefined, world.env)
    expect(listed.jobs.map(({ id }) => id).sort()).toEqual([WAITING, RUNNING, ENDED])
    expect(await world.job(ENDED)).toMatchObject({ v: 1, status: 'success', result: { ok: true } })

    for (let minute = 0; minute < 5; minute++) {
      await world.clock.advance(61_000)
      await world.sweep()
      for (const queue of ['fan-out', 'probe', 'probe-bulk']) await world.deliver(queue)
    }
    expect(await world.job(WAITING)).toMatchObject({ status: 'success' })
    expect(await world.job(RUNNING)).toMatchObject({ status: 'success', failures: 1, fence: 2 })
    expect(await world.job(CHILD)).toMatchObject({ status: 'success', execution: EXECUTION })
    expect(await readExecution(TENANT, EXECUTION, world.env)).toMatchObject({
      status: 'success',
      counts: { success: 2, total: 2 },
    })
    expect(await requirePolicy(TENANT, POLICY, world.env)).toMatchObject({ name: 'hourly', enabled: true })
    await world.clock.advance(3_600_000)
    expect(await fireDue(world.env)).toBe(1)
  })

  it('are stopped like others', async () => {
    const world = createWorld()
    for (const item of ITEMS) await world.env.store.put(item)
    expect((await stopJob(TENANT, WAITING, world.env)).outcome).toBe('stopped')
    expect((await stopJob(TENANT, RUNNING, world.env)).outcome).toBe('asked')
  })
})

describe('a record of a version that this code does not know', () => {
  it.each([0, 3, undefined])('is refused by name: %s', (v) => {
    const { v: _v, ...rest } = ITEMS[0] as Item
    const item = { ...rest, ...(v === undefined ? {} : { v }) } as Item
    for (const read of [jobOfItem, executionOfItem])
      expect(() => read(item)).toThrow(/record version (0|3|undefined) is neither 2 nor 1; deploy the newer code first/)
  })

  it('does not keep the sweep and the schedule from looking after the others', async () => {
    const world = createWorld()
    for (const item of ITEMS)
      await world.env.store.put([EXECUTION, POLICY].includes(String(item.id) as never) ? { ...item, v: 9 } : item)
    const job = await world.submitProbe()
    await world.clock.advance(3_700_000)
    await world.sweep()
    expect(await fireDue(world.env)).toBe(0)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })
})
