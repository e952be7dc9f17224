/**
 * A seed makes a script. Most histories are small: a job or two and a few minutes find most flaws, and find them fast.
 * Some have a shape of their own, because what they look for needs several things at once.
 */
import { Chance } from './chance.ts'
import {
  type Action,
  EFFORT,
  FAULT_KINDS,
  type Fault,
  type FaultKind,
  LAG_MS,
  LATE_MS,
  type Platform,
  type Script,
  SKEW_MS,
} from './script.ts'
import type { Role } from './world.ts'

const SECOND = 1_000
const MINUTE = 60_000

/** The same seed, the same script. */
export function scriptOf(seed: number): Script {
  const chance = new Chance(seed)
  const shape = chance.next()
  if (shape < 0.08) return duelOf(seed, chance)
  if (shape < 0.17) return zombiesOf(seed, chance)
  if (shape < 0.19) return crowdOf(seed, chance)
  if (shape < 0.195) return queueOf(seed, chance)
  if (shape < 0.196) return usualOf(seed, chance, true)
  if (shape < 0.226) return marathonOf(seed, chance)
  if (shape < 0.246) return secondLifeOf(seed, chance)
  return usualOf(seed, chance, false)
}

function usualOf(seed: number, chance: Chance, large: boolean): Script {
  const chaosMs = large ? 40 * MINUTE : chance.integer(1, 6) * MINUTE
  const single = chance.chance(0.15)
  const platform = platformOf(chance, single)
  // What was added later draws from a chance of its own: the seeds that find the older flaws stay what they were.
  const later = new Chance(seed ^ 0x1a7e)
  platform.hopsMax = later.pick([2, 200])
  const people: Action[] = []
  const when = () => chance.integer(0, chaosMs)
  const bulk = chance.chance(large ? 0.9 : 0.05)
  const jobs = large ? chance.integer(3, 8) : bulk ? chance.integer(0, 1) : chance.pick([1, 1, 1, 1, 1, 1, 1, 1, 2, 2])
  for (let n = 0; n < jobs; n++) people.push(...visitsOf(chance, n, chaosMs))
  if (bulk) {
    people.push({ at: chance.integer(0, chaosMs / 3), do: 'bulk' })
    if (chance.chance(0.35)) people.push({ at: when(), do: 'stopExecution', n: 0 })
    if (later.chance(0.2))
      people.push({ at: later.integer(0, chaosMs), do: 'retryExecution', n: 0, mode: 'unsuccessful' })
  }
  const policy = chance.chance(large ? 0.3 : 0.004)
  if (policy) {
    people.push({ at: 0, do: 'policy', everyMinutes: chance.pick([1, 2, 5]) })
    if (chance.chance(0.2)) people.push({ at: when(), do: 'runPolicy', n: 0 })
    if (chance.chance(0.2)) people.push({ at: when(), do: 'replacePolicy', n: 0 })
    if (chance.chance(0.3)) people.push({ at: when(), do: 'stopExecution', n: chance.integer(0, 2) })
  }
  if (later.chance(0.05)) {
    // What it needs to tell the tenants apart: the same key, the same job types, the same queues.
    people.push({
      at: later.integer(0, chaosMs),
      do: 'submit',
      by: 'other',
      ...(later.chance(0.5) ? { key: 'key-1' } : {}),
    })
    if (later.chance(0.3)) people.push({ at: later.integer(0, chaosMs), do: 'bulk', by: 'other' })
    people.push({ at: later.integer(0, chaosMs), do: 'trespass', n: later.integer(0, 2) })
  }
  if (platform.stillborn > 0 && later.chance(0.7))
    for (let n = later.integer(1, 3); n > 0; n--) people.push({ at: later.integer(0, chaosMs), do: 'redrive' })
  if (chance.chance(0.08)) {
    // One machine has one clock.
    platform.skewMs = 0
    people.push({ at: when(), do: 'restart', queues: chance.pick(['kept', 'lost', 'lost']) })
  }
  const aims: Role[] = ['work', 'sweep', 'sweep']
  if (bulk) aims.push('fan-out', 'fan-out')
  if (policy) aims.push('schedule', 'schedule')
  if (platform.stillborn > 0) aims.push('dead-letter')
  const count = large ? 40 : single ? 1 : chance.integer(0, 10)
  const faults = faultsOf(chance, count, aims)
  // A child whose message was lost begins and ends while the sweep counts.
  if (bulk && !large && later.chance(0.1))
    faults.unshift(
      { after: 1, kind: 'failed', ms: 1, role: 'fan-out', on: 'send probe-bulk' },
      { after: 1, kind: later.pick(['slow', 'repeated']), ms: LATE_MS, role: 'sweep', on: 'count p#' },
    )
  return { seed, platform, people: inOrder(people), faults, chaosMs }
}

/** What one person does with one job. */
function visitsOf(chance: Chance, n: number, chaosMs: number): Action[] {
  const at = chance.integer(0, chaosMs / 3)
  const key = chance.chance(0.35) ? `key-${chance.integer(1, 2)}` : undefined
  const dueInMs = !key && chance.chance(0.08) ? chance.integer(1, 20) * MINUTE : undefined
  const visits: Action[] = [{ at, do: 'submit', ...(key ? { key } : {}), ...(dueInMs ? { dueInMs } : {}) }]
  if (chance.chance(0.4)) visits.push({ at: chance.integer(at, chaosMs), do: 'stop', n })
  if (chance.chance(0.15)) visits.push({ at: chance.integer(0, chaosMs), do: 'retry', n })
  if (chance.chance(0.05)) visits.push({ at: chance.integer(0, chaosMs), do: 'retry', n })
  return visits
}

/** Two at once: a slow write of one function, and somebody else who acts on the same job just then. */
function duelOf(seed: number, chance: Chance): Script {
  const role = chance.pick<Role>(['sweep', 'sweep', 'dead-letter', 'work', 'api'])
  const chaosMs = chance.integer(4, 7) * MINUTE
  const platform = platformOf(chance, true)
  platform.timeoutMs = MINUTE
  platform.leaseMarginSeconds = 10
  platform.maxAttempts = 3
  platform.stopPollMs = 3_600 * SECOND
  platform.doubledTicks = chance.pick([0, 0.9])
  platform.duplicates = chance.pick([0, 0.5])
  platform.trouble = chance.pick([0, 0.5])
  const faults: Fault[] = []
  if (role === 'dead-letter') {
    platform.stillborn = 0.7
    platform.maxReceives = 1
    platform.visibilityMs = 30 * SECOND
  } else if (role === 'sweep') {
    // A killed worker, or a message that was never sent.
    const dies = chance.chance(0.75)
    faults.push({ after: 1, kind: dies ? 'crashAfter' : 'failed', ms: 1, role: dies ? 'work' : 'api' })
    // Nobody takes the dead run over before the sweep does.
    if (dies) faults.push({ after: 1, kind: 'failed', ms: 1, role, on: 'send probe' })
    platform.visibilityMs = chance.pick([90, 120]) * SECOND
  }
  // The second thing people do, after the submission, is to stop.
  // The claim of a message that comes again fails, and the second write is the take-over.
  const after = role === 'api' ? 4 * EFFORT.change : role === 'work' ? chance.pick([1, 20]) : 1
  if (role === 'work') {
    // Its message comes again when the lease has just ended, sometimes before the sweep.
    faults.push({ after: 1, kind: 'crashAfter', ms: 1, role })
    platform.visibilityMs = chance.integer(71, 90) * SECOND
    platform.maxReceives = 5
  }
  const on = role === 'sweep' ? { on: 'update' } : {}
  faults.push({ after, kind: chance.pick(['slow', 'slow', 'repeated']), ms: LATE_MS, role, ...on })
  const people: Action[] = [{ at: 0, do: 'submit' }]
  // At the end, unless something slow lets them act earlier.
  people.push({ at: role === 'api' ? chance.integer(1, 20) * SECOND : chaosMs - 1, do: 'stop', n: 0 })
  if (role === 'api') platform.slowRuns = 0.9
  return { seed, platform, people, faults, chaosMs }
}

/** Runs that outlive their lease: two of one job at once, and the first one speaks last. */
function zombiesOf(seed: number, chance: Chance): Script {
  const chaosMs = chance.integer(5, 8) * MINUTE
  const platform = platformOf(chance, true)
  platform.timeoutMs = chance.pick([120, 300]) * SECOND
  platform.leaseMarginSeconds = 10
  const early = chance.chance(0.7)
  platform.earlyMs = early ? platform.timeoutMs + chance.integer(-30, 10) * SECOND : 0
  platform.frozen = early ? 0 : 0.6
  platform.slowRuns = 0.9
  platform.longRuns = 0.9
  platform.trouble = chance.pick([0.2, 0.8])
  platform.pool = 2
  platform.stopPollMs = chance.pick([30, 3_600]) * SECOND
  platform.visibilityMs = chance.pick([30, 120]) * SECOND
  if (early && chance.chance(0.2)) {
    platform.duplicates = 0.8
    platform.fanOutPageItems = 1
    const slow = (): Fault => ({
      after: chance.integer(1, 9) * EFFORT.change,
      kind: 'slow',
      ms: LATE_MS,
      role: 'fan-out',
    })
    return { seed, platform, people: [{ at: 0, do: 'bulk' }], faults: [slow(), slow()], chaosMs }
  }
  const people: Action[] = [{ at: 0, do: 'submit' }]
  if (chance.chance(0.3)) people.push({ at: chance.integer(0, chaosMs), do: 'stop', n: 0 })
  return { seed, platform, people, faults: faultsOf(chance, chance.integer(0, 2), ['work', 'sweep']), chaosMs }
}

/** Ends close to each other, clocks and indexes that differ, and a sweep every few seconds. */
function crowdOf(seed: number, chance: Chance): Script {
  const chaosMs = 2 * MINUTE
  const platform = platformOf(chance, true)
  platform.tickSeconds = chance.pick([5, 10])
  platform.narrow = true
  platform.skewMs = SKEW_MS
  platform.lagMs = LAG_MS
  platform.pool = 2
  platform.trouble = 0
  const people: Action[] = Array.from({ length: 3 }, () => ({ at: chance.integer(0, MINUTE), do: 'submit' }))
  if (chance.chance(0.5)) people.push({ at: chance.integer(0, MINUTE), do: 'bulk' })
  return { seed, platform, people: inOrder(people), faults: faultsOf(chance, chance.integer(0, 3), ['sweep']), chaosMs }
}

/** More work than workers, and a queue that does not know its own length: nobody may send the same message for ever. */
function queueOf(seed: number, chance: Chance): Script {
  const chaosMs = 9 * MINUTE
  const platform = platformOf(chance, true)
  platform.pool = 1
  platform.timeoutMs = 300 * SECOND
  platform.slowRuns = 1
  platform.longRuns = 0.9
  platform.trouble = 0
  platform.staleDepth = 0.8
  platform.tickSeconds = 30
  const people: Action[] = Array.from({ length: 3 }, () => ({ at: chance.integer(0, MINUTE), do: 'submit' }))
  return { seed, platform, people: inOrder(people), faults: faultsOf(chance, chance.integer(0, 2), ['sweep']), chaosMs }
}

/** Longer than a function's time, again and again; it comes further each time, or it does not. */
function marathonOf(seed: number, chance: Chance): Script {
  const chaosMs = chance.integer(4, 8) * MINUTE
  const platform = platformOf(chance, chance.chance(0.5))
  platform.timeoutMs = 60 * SECOND
  platform.continues = chance.pick([0.7, 0.95])
  platform.hopsMax = chance.pick([3, 6, 200])
  platform.trouble = chance.pick([0, 0, 0.2])
  platform.slowRuns = 0.2
  const people: Action[] = [{ at: 0, do: 'submit' }]
  if (chance.chance(0.2)) people.push({ at: chance.integer(0, chaosMs), do: 'stop', n: 0 })
  return { seed, platform, people, faults: faultsOf(chance, chance.integer(0, 4), ['work', 'work', 'sweep']), chaosMs }
}

/** An execution whose children fail is retried, also while it is being stopped, or by two at once. */
function secondLifeOf(seed: number, chance: Chance): Script {
  const chaosMs = chance.integer(5, 12) * MINUTE
  const platform = platformOf(chance, chance.chance(0.5))
  platform.trouble = chance.pick([0.6, 0.9])
  platform.maxAttempts = chance.pick([1, 1, 2])
  platform.slowRuns = 0.2
  platform.fanOutPageItems = chance.pick([1, 1, 2])
  const when = () => chance.integer(MINUTE, chaosMs)
  const people: Action[] = [{ at: 0, do: 'bulk', ...(chance.chance(0.2) ? { by: 'other' as const } : {}) }]
  const retry = (at: number) =>
    people.push({ at, do: 'retryExecution', n: 0, mode: chance.pick(['failed', 'unsuccessful']) })
  const lives = chance.integer(2, 4)
  for (let n = 0, at = 0; n < lives; n++) {
    // Earlier it is refused: not all children may be shown.
    at += chance.integer(70, 300) * SECOND
    retry(at)
    if (chance.chance(0.2)) retry(at + chance.integer(0, 5) * SECOND)
    // While it is under way, or while the sweep has yet to send again what died.
    if (chance.chance(0.3)) people.push({ at: at + chance.integer(0, 60 * SECOND), do: 'stopExecution', n: 0 })
  }
  if (chance.chance(0.4)) people.push({ at: when(), do: 'stopExecution', n: 0 })
  if (chance.chance(0.2)) people.push({ at: when(), do: 'retry', n: chance.integer(0, 3) })
  if (chance.chance(0.1)) people.push({ at: when(), do: 'trespass', n: 0 })
  const faults = faultsOf(chance, chance.integer(1, 6), ['fan-out', 'fan-out', 'api'])
  // Between a child and the one it takes the place of.
  if (chance.chance(0.3))
    faults.unshift({
      after: chance.integer(8, 40) * EFFORT.change,
      kind: 'crashAfter',
      ms: 1,
      role: 'fan-out',
      on: 'put',
    })
  return { seed, platform, people: inOrder(people), faults, chaosMs }
}

const inOrder = (people: Action[]): Action[] => people.sort((a, b) => a.at - b.at)

function platformOf(chance: Chance, calm: boolean): Platform {
  const some = <T>(value: T, none: T, probability: number): T => (calm || !chance.chance(probability) ? none : value)
  return {
    timeoutMs: chance.pick([60, 60, 120, 300]) * SECOND,
    pool: chance.integer(1, 2),
    batch: chance.pick([1, 1, 3]),
    tickSeconds: 60,
    longRuns: 0.1,
    skewMs: some(SKEW_MS, 0, 0.7),
    lagMs: some(LAG_MS, 0, 0.4),
    earlyMs: some(chance.integer(60, 120) * SECOND, 0, 0.05),
    missedTicks: some(0.15, 0, 0.3),
    doubledTicks: some(0.2, 0, 0.3),
    duplicates: some(0.15, 0, 0.4),
    frozen: some(0.2, 0, 0.2),
    trouble: chance.pick([0, 0, 0.2, 0.6]),
    continues: 0,
    hopsMax: 200,
    stopPollMs: chance.pick([2, 30, 3_600]) * SECOND,
    images: chance.integer(1, 4),
    staleDepth: some(0.3, 0, 0.1),
    stillborn: some(chance.pick([0.3, 0.9]), 0, 0.1),
    visibilityMs: chance.pick([30, 120, 360]) * SECOND,
    maxReceives: chance.pick([1, 2, 5]),
    deadLettersMax: chance.pick([1, 3]),
    leaseMarginSeconds: chance.pick([10, 60]),
    fanOutPageItems: chance.integer(1, 3),
    narrow: chance.chance(0.5),
    maxAttempts: chance.integer(1, 3),
    slowRuns: chance.pick([0.2, 0.2, 0.8]),
  }
}

/** Crashes are what most of the protocol is about: they come twice as often. */
const KINDS: readonly FaultKind[] = [...FAULT_KINDS, 'crashBefore', 'crashAfter', 'crashLate']

function faultsOf(chance: Chance, count: number, aims: readonly Role[]): Fault[] {
  return Array.from({ length: count }, () => {
    const fault = {
      after: chance.integer(1, 12 * EFFORT.change),
      kind: chance.pick(KINDS),
      ms: chance.integer(1, LATE_MS),
    }
    // The ticks write little: races with them need a fault that waits for it.
    return chance.chance(0.25) ? { ...fault, role: chance.pick(aims) } : fault
  })
}
