/** The job type of the simulator: its runs take their time, fail, snooze and continue as chance wants it. */
import * as z from 'zod'
import { LongshoreError } from '../../lib/errors.ts'
import { defineJobType, type JobContext, type JobResult, type JobType } from '../../lib/job/define.ts'
import { tagRegistry } from '../job/world.ts'
import type { World } from './world.ts'

export const REGISTRY = 'registry.example'
export const digestOf = (n: number): string => `sha256:${String(n).padStart(64, '0')}`

/** Tags by repository. Two tags of `fleet` may name one image: that is one job of an execution. */
export function imagesOf(count: number): Record<string, Record<string, string>> {
  const fleet: Record<string, string> = {}
  for (let n = 1; n <= count; n++) fleet[`v${n}`] = digestOf(n)
  if (count > 2) fleet.latest = digestOf(1)
  return { app: { latest: digestOf(0) }, fleet }
}

export const registryOf = tagRegistry

const params = z.strictObject({ name: z.string() })
const spec = z.object({ images: z.array(z.string()) })

/** `world` is asked at run time: type and world know each other. */
export function probeOf(world: () => World, runs: Map<string, number>): JobType<z.infer<typeof params>> {
  return defineJobType({
    type: 'probe',
    title: 'probe',
    phases: ['probing'],
    params,
    limits: { pool: { interactive: 2, bulk: 2 }, maxAttempts: 3, timeoutSeconds: 300 },
    image: ({ name }) => ({
      reference: { registry: REGISTRY, repository: name, tag: 'latest' },
      pointer: '/name',
    }),
    otherHosts: () => [],
    bulk: {
      spec,
      selectors: (given: never) =>
        (given as z.infer<typeof spec>).images.map((repository) => ({ registry: REGISTRY, repository, tag: '*' })),
      otherHosts: () => [],
      child: (_spec, found) => ({ item: found.digest, params: { name: found.repository } }),
    },
    run: (_params, context) => act(world(), context, runs),
  })
}

async function act(world: World, context: JobContext, runs: Map<string, number>): Promise<JobResult> {
  const { chance, script } = world
  const { timeoutMs, trouble, slowRuns, longRuns } = script.platform
  runs.set(context.jobId, (runs.get(context.jobId) ?? 0) + 1)
  const troubled = !world.calm && chance.chance(trouble)
  if (chance.chance(0.2)) context.progress({ items: { done: 1, total: 2 } })
  if (chance.chance(slowRuns))
    await pause(
      context,
      chance.integer(0, troubled ? timeoutMs * 2 : world.calm ? 20_000 : Math.max(20_000, timeoutMs * longRuns)),
    )
  if (!world.calm && script.platform.continues > 0 && chance.chance(script.platform.continues)) goOn(world, context)
  if (troubled) await misfortune(world, context)
  return { result: { attempt: context.attempt } }
}

/** The job is longer than the function's time. Mostly it has come further. */
function goOn({ chance }: World, context: JobContext): never {
  const step = (context.checkpoint as { step: number } | undefined)?.step ?? 0
  return context.handOver({ step: step + (chance.chance(0.6) ? 1 : 0) })
}

async function pause(context: JobContext, ms: number): Promise<void> {
  await context.clock.sleep(ms, context.signal)
  if (context.signal.aborted) throw context.signal.reason
}

async function misfortune(world: World, context: JobContext): Promise<void> {
  const { chance } = world
  switch (chance.integer(0, 7)) {
    case 0:
      throw new LongshoreError('registry-unavailable', 'simulated')
    case 1:
      throw new LongshoreError('digest-mismatch', 'simulated')
    case 2: {
      const retryAfterMs = chance.pick([1, 30, 120, 1_200]) * 1000
      throw new LongshoreError('registry-throttled', 'simulated', { retryAfterMs })
    }
    case 3:
      return context.snooze(chance.pick([1, 30, 1_200]))
    case 4:
      return goOn(world, context)
    case 5:
      return context.cancel('simulated')
    case 6: {
      const client = await context.registry(REGISTRY)
      await client.resolve('app', 'latest', { timeoutMs: 1_000 })
      return
    }
    default:
      await context.blobs.put(`reports/${context.jobId}/${context.attempt}`, 'simulated')
  }
}
