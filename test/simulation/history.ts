/** One history: people, a platform, faults; then calm; then the question whether anything was lost. */
import { typesOf } from '../../lib/job/types.ts'
import { People } from './people.ts'
import { startPlatform } from './platform.ts'
import { imagesOf, probeOf, registryOf } from './probe.ts'
import { atRest } from './rest.ts'
import type { Script } from './script.ts'
import { Witness } from './witness.ts'
import { START, World } from './world.ts'

const MINUTE = 60_000
/** How long after the last fault everything must have come to rest: retries wait up to an hour, messages up to six. */
const REST_MS = 30 * 60 * MINUTE

export interface Outcome {
  violations: string[]
  calls: number
  faults: number
  lostSendMs: number
  recoveredMs: number
  backAtWorkMs: number
}

export async function history(script: Script, trace?: (line: string) => void): Promise<Outcome> {
  const witness = new Witness()
  const runs = new Map<string, number>()
  const images = imagesOf(script.platform.images)
  const fleet = images.fleet!
  const items = new Set(Object.values(fleet)).size
  const world: World = new World(script, {
    types: typesOf([probeOf(() => world, runs)]),
    registry: registryOf(images),
    watch: witness,
    ...(trace ? { trace } : {}),
  })
  witness.world = world
  startPlatform(world, witness)
  const people = new People(world, witness)
  await runUntil(world, START + script.chaosMs, () => false)
  world.becomeCalm()
  people.disablePolicies()
  await runUntil(world, START + script.chaosMs + REST_MS, () => witness.quiet())
  await atRest(world, witness, runs, items)
  const { lostSendMs, recoveredMs, backAtWorkMs } = witness.measures
  return {
    violations: witness.violations,
    calls: world.calls,
    faults: world.faults,
    lostSendMs,
    recoveredMs,
    backAtWorkMs,
  }
}

/** Runs what is due until the time is over, nothing is left, or the end is reached. */
async function runUntil(world: World, time: number, over: () => boolean): Promise<void> {
  for (;;) {
    const at = world.timeline.peek()
    if (at === undefined || at > time || over()) break
    const next = world.timeline.next()!
    world.now = Math.max(world.now, at)
    next.run()
    await settled()
  }
}

/**
 * What a resolved call sets off is done: nothing here but promises stands between one call and the next, and Node runs
 * what was put off to the next tick when no promise is left to go on (measured: half the time of setImmediate, which
 * asks the kernel for events each time).
 */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))
