/** Executions of a hundred thousand children: one flag stops them, their messages do not flood, and nobody waits behind. */
import { expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { idOf } from '../../lib/job/id.ts'
import { newJob, putJob } from '../../lib/job/submit.ts'
import { work } from '../../lib/job/work.ts'
import type { Store } from '../../lib/store/port.ts'
import { createWorld, DIGEST, seededRandom, succeed, TENANT, TIMEOUT_MS, tagRegistry, type World } from './world.ts'

/** In CI (`LONGSHORE_SCALE=1`) as many as the sentences say; else the same with fewer, under limits as much smaller. */
const CHILDREN = process.env.LONGSHORE_SCALE ? 100_000 : 3_000
const limits = { sweepPageMax: CHILDREN / 100, resendBatchMax: CHILDREN / 200 }
const SLOW_MS = process.env.LONGSHORE_SCALE ? 600_000 : 60_000
/** As serverless.yml has them for scans, see `JobLimits.pool`. */
const POOL = { interactive: 4, bulk: 8, batch: 10 }

const begin = async (world: World, id = idOf('test')): Promise<string> => {
  await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images: ['app'] } }, world.env)
  return id
}

/** Children as a fan-out has made them, without its registry: sent `sent`-many times, or never. */
async function children(world: World, execution: string, count: number): Promise<void> {
  const type = world.env.types.get('probe')
  if (!type) throw new Error('no probe')
  const image = { registry: 'registry.example', repository: 'app', tag: 'v1', digest: DIGEST }
  for (let n = 0; n < count; n++) {
    const id = idOf('child', TENANT, execution, String(n))
    const place = {
      tenant: TENANT,
      id,
      type: 'probe',
      lane: 'bulk' as const,
      params: { name: 'app' },
      image,
      execution,
    }
    await putJob(newJob(place, type, world.env), world.env)
  }
}

/** Counts the writes and the messages from now on. */
function counted(inner: Store, seen: { writes: number }): Store {
  return {
    ...inner,
    put: (item, condition) => {
      seen.writes++
      return inner.put(item, condition)
    },
    update: (key, change, condition) => {
      seen.writes++
      return inner.update(key, change, condition)
    },
  }
}

it('a fan-out that is killed again and again goes on, and submits each of its images once', async () => {
  const digests = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, n) => [
      `v${String(n).padStart(5, '0')}`,
      `sha256:${String(n).padStart(64, '0')}`,
    ]),
  )
  const random = seededRandom(7)
  const made = new Map<string, number>()
  const store = (inner: Store): Store => ({
    ...inner,
    put: async (item, condition) => {
      if (random.next() < 0.004) throw new LongshoreError('store-unavailable', 'killed')
      await inner.put(item, condition)
      if (item.pk.startsWith('J#')) made.set(item.pk, (made.get(item.pk) ?? 0) + 1)
      if (random.next() < 0.004) throw new LongshoreError('store-unavailable', 'killed after it was applied')
    },
  })
  const world = createWorld({ registry: tagRegistry({ app: digests }), store, limits: { maxAttempts: 100 } })
  const id = await begin(world).catch(() => idOf('test'))
  for (let round = 0; round < 100; round++) {
    await world.deliver('fan-out')
    if ((await readExecution(TENANT, id, world.env))?.fanOut === 'done') break
    await world.clock.advance(3_600_000)
    await world.sweep()
  }
  expect((await readExecution(TENANT, id, world.env))?.fanOut).toBe('done')
  expect([made.size, Math.max(...made.values())]).toEqual([2_000, 1])
})

it(
  'a hundred thousand waiting children are stopped by one write, and none of them starts',
  async () => {
    const seen = { writes: 0 }
    const world = createWorld({ store: (inner) => counted(inner, seen), limits })
    const id = await begin(world)
    await children(world, id, CHILDREN)
    seen.writes = 0
    await stopExecution(TENANT, id, world.env)
    expect(seen.writes).toBe(1)
    let runs = 0
    world.runs[0] = async () => {
      runs++
      return await succeed()
    }
    const some = Array.from({ length: 200 }, (_, n) =>
      idOf('child', TENANT, id, String(n * Math.floor(CHILDREN / 200))),
    )
    for (const child of some) {
      const body = JSON.stringify({
        tenant: TENANT,
        id: child,
        type: 'probe',
        createdAt: world.clock.now(),
        execution: id,
      })
      await world.queue.send('probe-bulk', [{ body, group: id }])
    }
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    expect(runs).toBe(0)
    for (const child of some) expect((await world.job(child)).status).toBe('stopped')
  },
  SLOW_MS,
)

it(
  'a hundred thousand waiting jobs are not flooded: at most so many messages a sweep, and 2 + log2(age) a job',
  async () => {
    const world = createWorld({ limits })
    const id = await begin(world)
    await children(world, id, CHILDREN)
    // Somebody else's message keeps the queue from being empty; nobody takes any.
    await world.queue.send('probe-bulk', [{ body: '{}' }])
    const perSweep: number[] = []
    const sent = new Map<string, number>()
    const { send } = world.env.queue
    world.env.queue.send = async (queue, messages) => {
      if (queue === 'probe-bulk') for (const { body } of messages) sent.set(body, (sent.get(body) ?? 1) + 1)
    }
    // A day, a tick each hour and every minute of the first: what a sweep does depends on what is due, not on its number.
    for (let tick = 0; tick < 60 + 23; tick++) {
      await world.clock.advance(tick < 60 ? 60_000 : 3_600_000)
      const { resent } = await world.sweep()
      perSweep.push(resent)
      const minutes = (world.clock.now() - Date.UTC(2026, 10, 22, 12)) / 60_000
      expect(Math.max(...sent.values())).toBeLessThanOrEqual(2 + Math.log2(minutes))
    }
    expect(Math.max(...perSweep)).toBe(world.env.limits.resendBatchMax)
    world.env.queue.send = send
  },
  SLOW_MS,
)

it(
  'a dead worker and a lost message of a person are found at once, behind a hundred thousand overdue children',
  async () => {
    const world = createWorld({ limits })
    const id = await begin(world)
    await children(world, id, CHILDREN)
    await world.clock.advance(60_000)
    const { send } = world.env.queue
    const dead = await world.submitProbe()
    world.runs.unshift(() => new Promise(() => {}))
    void world.deliver()
    await world.clock.advance(1)
    world.env.queue.send = async () => {}
    const lost = await world.submitProbe()
    world.env.queue.send = send
    // Something else is in that queue, so that only what is overdue counts as lost.
    await world.queue.send('probe', [{ body: '{}', delaySeconds: 900 }])
    await world.clock.advance(61_000)
    expect((await world.sweep()).resent).toBeGreaterThan(0)
    expect((await world.job(lost.id)).sends).toBe(2)
    world.env.workersDeadBefore = world.clock.now()
    await world.sweep()
    expect((await world.job(dead.id)).failures).toBe(1)
  },
  SLOW_MS,
)

/**
 * The pools of both lanes in virtual time, as Lambda runs them: so many pollers, each at its own moment, a batch to each, one
 * message after the other, runs of twenty seconds. Returns how long each of a person's jobs waited for its claim.
 * `merged`: what if there were one lane, with all workers of both?
 */
async function waitsOf({ busy, merged = false }: { busy: boolean; merged?: boolean }): Promise<number[]> {
  const RUN_MS = 20_000
  const POLL_MS = 500
  const JOBS = 6
  const world = createWorld({ limits })
  const random = seededRandom(7)
  world.runs[0] = async (context) => {
    await context.clock.sleep(RUN_MS)
    return await succeed()
  }
  const { send } = world.env.queue
  if (merged) world.env.queue.send = (queue, messages) => send(queue === 'probe' ? 'probe-bulk' : queue, messages)
  if (busy) {
    const id = await begin(world)
    await children(world, id, CHILDREN)
    for (let n = 0; n < CHILDREN; n++) {
      const place = { id: idOf('child', TENANT, id, String(n)), execution: id, createdAt: world.clock.now() }
      await send('probe-bulk', [{ body: JSON.stringify({ tenant: TENANT, type: 'probe', ...place }), group: id }])
    }
  }
  let over = false
  const poll = async (queue: string, batch: number) => {
    await world.clock.sleep(random.next() * POLL_MS)
    while (!over) {
      const messages = await world.queue.receive(queue, { max: batch, waitSeconds: 0 })
      for (const message of messages) {
        const until = world.clock.now() + TIMEOUT_MS
        const remainingMs = () => until - world.clock.now()
        const invocation = { requestId: message.receipt, remainingMs, timeoutMs: TIMEOUT_MS, stopFlags: new Map() }
        if ((await work(message, world.env, invocation)) === 'acknowledge')
          await world.queue.remove(queue, message.receipt)
      }
      if (messages.length === 0) await world.clock.sleep(POLL_MS)
    }
  }
  const { interactive, bulk, batch } = POOL
  for (let n = 0; n < (merged ? 0 : interactive); n++) void poll('probe', 1)
  for (let n = 0; n < bulk + (merged ? interactive : 0); n++) void poll('probe-bulk', batch)
  await world.clock.advance(10_000)
  const jobs: { id: string; at: number }[] = []
  for (let n = 0; n < JOBS; n++) {
    jobs.push({ id: (await world.submitProbe()).id, at: world.clock.now() })
    await world.clock.advance(11_000 + Math.floor(random.next() * POLL_MS))
    await world.sweep()
  }
  if (busy) expect((await world.queue.depth('probe-bulk')).waiting).toBeGreaterThan(CHILDREN / 2)
  const waits: number[] = []
  for (const { id, at } of jobs) waits.push(((await world.job(id)).startedAt ?? world.clock.now()) - at)
  over = true
  return waits
}

it(
  'a job of a person behind a running execution of a hundred thousand starts within twice the idle latency',
  async () => {
    const idle = Math.max(...(await waitsOf({ busy: false })))
    // Not two times nothing: a poller looks every half second.
    expect(idle).toBeGreaterThan(50)
    expect(Math.max(...(await waitsOf({ busy: true })))).toBeLessThanOrEqual(2 * idle)
    // The lanes are what makes it so: with one lane and as many workers, a person waits for a batch.
    expect(Math.max(...(await waitsOf({ busy: true, merged: true })))).toBeGreaterThan(10 * idle)
  },
  SLOW_MS,
)
