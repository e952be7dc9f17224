/** One history: people, a platform, faults; then calm; then the question whether anything was lost. */
import * as z from 'zod'
import { LongshoreError } from '../../lib/errors.ts'
import { stopJob } from '../../lib/job/control.ts'
import { handleDeadLetter } from '../../lib/job/dead-letter.ts'
import { defineJobType, type JobContext, type JobResult } from '../../lib/job/define.ts'
import { isTerminal } from '../../lib/job/record.ts'
import { submit } from '../../lib/job/submit.ts'
import { sweep } from '../../lib/job/sweep.ts'
import { typesOf } from '../../lib/job/types.ts'
import { type Verdict, work } from '../../lib/job/work.ts'
import { DIGEST, TENANT, tagRegistry } from '../job/world.ts'
import { type Accepted, atRest, Watcher } from './invariants.ts'
import { type Instance, SimulatedWorld, START } from './world.ts'

const MINUTE = 60_000
/** Of the probe's function: short, so that histories hold many lives. */
const TIMEOUT_MS = 5 * MINUTE
/** When the last fault has happened. */
const CHAOS_MS = 40 * MINUTE
/** How long after that everything must have come to rest: retries wait up to an hour, lost messages up to six. */
const REST_MS = 30 * 60 * MINUTE

export interface Outcome {
  seed: number
  violations: string[]
  calls: number
}

export async function history(seed: number): Promise<Outcome> {
  const watcher = new Watcher()
  const runs = new Map<string, number>()
  const accepted: Accepted[] = []
  let world: SimulatedWorld
  const probe = defineJobType({
    type: 'probe',
    title: 'probe',
    phases: ['probing'],
    params: z.strictObject({ name: z.string() }),
    limits: { pool: { interactive: 2, bulk: 2 }, maxAttempts: 3, timeoutSeconds: TIMEOUT_MS / 1000 },
    image: ({ name }) => ({
      reference: { registry: 'registry.example', repository: name, tag: 'latest' },
      pointer: '/name',
    }),
    otherHosts: () => [],
    run: (_params, context) => act(context),
  })
  const act = async (context: JobContext): Promise<JobResult> => {
    runs.set(context.jobId, (runs.get(context.jobId) ?? 0) + 1)
    await context.clock.sleep(world.integer(0, world.chance(0.4) ? TIMEOUT_MS * 2 : 30_000), context.signal)
    if (context.signal.aborted) throw context.signal.reason
    const choice = world.chaos.faults > 0 ? world.integer(0, 9) : 9
    if (choice === 0) throw new LongshoreError('registry-unavailable', 'simulated')
    if (choice === 1) throw new LongshoreError('digest-mismatch', 'simulated')
    if (choice === 2)
      throw new LongshoreError('registry-throttled', 'simulated', { retryAfterMs: world.integer(1, 120) * 1000 })
    if (choice === 3) return context.snooze(world.integer(1, 1_200))
    if (choice === 4) return context.handOver({ step: world.integer(1, 9) })
    return { result: { fence: runs.get(context.jobId) ?? 0 } }
  }
  world = new SimulatedWorld(seed, {
    types: typesOf([probe]),
    registry: tagRegistry({ app: { latest: DIGEST } }),
    chaos: { faults: 0.12, crashes: 6 },
    watch: watcher.watch,
  })

  const people = world.integer(1, 3)
  for (let person = 0; person < people; person++) {
    const key = world.chance(0.4) ? `key-${world.integer(1, 2)}` : undefined
    world.at(world.integer(0, 10 * MINUTE), () => visit(world, accepted, key))
  }
  pollers(world)
  ticks(world)
  await world.runUntil(START + CHAOS_MS)
  world.chaos = { faults: 0, crashes: 0 }
  for (let hour = 0; START + CHAOS_MS + hour * 60 * MINUTE <= START + CHAOS_MS + REST_MS; hour++) {
    await world.runUntil(START + CHAOS_MS + hour * 60 * MINUTE)
    if (quiet(world, watcher)) break
  }
  return { seed, violations: atRest(world, watcher, accepted, runs), calls: world.calls }
}

/** Somebody submits (again, when no answer comes), and perhaps stops the job. */
function visit(world: SimulatedWorld, accepted: Accepted[], key: string | undefined): void {
  let tries = 0
  const attempt = () => {
    const instance = world.begin(29_000)
    const again = () => {
      if (key !== undefined && ++tries < 3) world.at(world.integer(1, MINUTE), attempt)
    }
    instance.onDeath = again
    submit(
      { tenant: TENANT, type: 'probe', params: { name: 'app' }, ...(key ? { idempotencyKey: key } : {}) },
      instance.env,
    ).then(({ job }) => {
      instance.onDeath = () => {}
      const known: Accepted = { id: job.id, ...(key ? { key } : {}) }
      accepted.push(known)
      if (world.chance(0.5)) world.at(world.integer(0, 15 * MINUTE), () => stop(world, known))
    }, again)
  }
  attempt()
}

function stop(world: SimulatedWorld, job: Accepted): void {
  const instance = world.begin(29_000)
  stopJob(TENANT, job.id, instance.env).then(
    () => {
      job.stopAcknowledged = true
    },
    () => {},
  )
}

/** The event source: takes a message when there is one, gives it to a function, and acknowledges what it says. */
function pollers(world: SimulatedWorld): void {
  const poll = (
    queue: string,
    every: number,
    handle: (message: { messageId: string; body: string }, instance: Instance) => Promise<Verdict>,
  ) => {
    const look = async () => {
      const [message] = await world.queue.receive(queue, { max: 1, waitSeconds: 0 })
      world.at(message ? 10 : every, look)
      if (!message) return
      const instance = world.begin(TIMEOUT_MS)
      const verdict = await handle(message, instance)
      if (instance.dead) return
      instance.dead = true
      if (verdict === 'acknowledge') await world.queue.remove(queue, message.receipt)
      else await world.queue.giveBack(queue, message.receipt, 30)
    }
    world.at(0, look)
  }
  poll('probe', 5_000, (message, instance) => work(message, instance.env, instance.invocation))
  poll('probe-dlq', 2 * MINUTE, (message, instance) => handleDeadLetter(message.body, instance.env))
}

/** The rules of EventBridge; sometimes a tick is missed or comes twice. */
function ticks(world: SimulatedWorld): void {
  const tick = () => {
    world.at(MINUTE * (world.chaos.faults === 0 ? 5 : 1), tick)
    const times = world.chaos.faults === 0 ? 1 : world.pick([0, 1, 1, 1, 2])
    for (let i = 0; i < times; i++) {
      const instance = world.begin(MINUTE)
      sweep(instance.env).then(
        () => {
          instance.dead = true
        },
        () => {},
      )
    }
  }
  world.at(world.integer(0, MINUTE), tick)
}

const quiet = (world: SimulatedWorld, watcher: Watcher): boolean =>
  [...watcher.jobs.values()].every(
    (job) => isTerminal(job.status) && world.events.some((event) => event.subject === job.id),
  )
