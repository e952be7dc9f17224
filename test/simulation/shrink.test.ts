/** The same world under scripts that fast-check writes, so that a failing one is taken apart until only the cause is left. */
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bundleSimulator } from './bundle.ts'
import { FLAWS } from './flaws.ts'
import { history } from './history.ts'
import { type Action, FAULT_KINDS, type Fault, LATE_MS, type Script } from './script.ts'
import { scriptOf } from './shapes.ts'

const MINUTE = 60_000
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const KNOWN = 20_261_122
/** In CI other scripts each time; a failure prints the seed and the path to its script. */
const SEED = process.env.CI ? Math.floor(Math.random() * 2 ** 31) : KNOWN
const at = fc.integer({ min: 0, max: 4 * MINUTE })
const n = fc.integer({ min: 0, max: 2 })

const one: fc.Arbitrary<Action>[] = [
  fc.record({ at, do: fc.constant('submit' as const) }),
  fc.record({ at, do: fc.constant('submit' as const), key: fc.constantFrom('key-1', 'key-2') }),
  fc.record({ at, do: fc.constant('submit' as const), by: fc.constant('other' as const) }),
  fc.record({ at, do: fc.constantFrom('stop' as const, 'retry' as const, 'trespass' as const), n }),
  fc.record({ at, do: fc.constant('bulk' as const) }),
  fc.record({ at, do: fc.constant('stopExecution' as const), n }),
  fc.record({ at, do: fc.constant('retryExecution' as const), n, mode: fc.constantFrom('failed', 'unsuccessful') }),
  fc.record({ at, do: fc.constant('restart' as const), queues: fc.constantFrom('kept', 'lost') }),
  fc.record({ at, do: fc.constant('redrive' as const) }),
]
/** A run every minute is many calls: few scripts have one. */
const scheduled: fc.Arbitrary<Action>[] = [
  fc.record({ at, do: fc.constant('policy' as const), everyMinutes: fc.constantFrom(2, 5) }),
  fc.record({ at, do: fc.constantFrom('runPolicy' as const, 'replacePolicy' as const), n }),
]
const action: fc.Arbitrary<Action> = fc.oneof(
  ...one.map((arbitrary) => ({ arbitrary, weight: 4 })),
  ...scheduled.map((arbitrary) => ({ arbitrary, weight: 1 })),
)

const aimed = fc.record({
  after: fc.integer({ min: 1, max: 150 }),
  kind: fc.constantFrom(...FAULT_KINDS),
  ms: fc.integer({ min: 1, max: LATE_MS }),
})
const role = fc.constantFrom<NonNullable<Fault['role']>[]>(
  'api',
  'work',
  'sweep',
  'schedule',
  'dead-letter',
  'fan-out',
  'redrive',
)
const fault: fc.Arbitrary<Fault> = fc.oneof(
  aimed,
  fc.tuple(aimed, role).map(([fault, role]) => ({ ...fault, role })),
)

const script: fc.Arbitrary<Script> = fc
  .record({
    // No seed and no platform is simpler than another: only steps are taken away.
    seed: fc.noShrink(fc.integer({ min: 1, max: 1_000 })),
    people: fc.array(action, { minLength: 1, maxLength: 6 }).map((actions) => actions.sort((a, b) => a.at - b.at)),
    faults: fc.array(fault, { maxLength: 8 }),
    chaosMs: fc.constant(5 * MINUTE),
    platform: fc.noShrink(fc.integer({ min: 1, max: 1_000 })).map((seed) => scriptOf(seed).platform),
  })
  .map((script) =>
    // One machine has one clock: a service that is restarted is one.
    script.people.some((action) => action.do === 'restart')
      ? { ...script, platform: { ...script.platform, skewMs: 0 } }
      : script,
  )

it('holds under every script of people and faults', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(script, async (script) => {
      expect((await history(script)).violations).toEqual([])
    }),
    { numRuns: 200, seed: SEED },
  )
})

it('takes a failing script apart until little more than its cause is left', { timeout: 120_000 }, async () => {
  const flaw = FLAWS.find(({ name }) => name === 'a worker writes over a stop')!
  const bundle = await bundleSimulator(root, flaw)
  try {
    const flawed = (await import(pathToFileURL(bundle.path).href)) as typeof import('./worker.ts')
    const found = await fc.check(
      fc.asyncProperty(script, async (script) => (await flawed.history(script)).violations.length === 0),
      // What is left depends on where it began: from some scripts a longer one cannot be taken apart step by step.
      { numRuns: 500, seed: KNOWN },
    )
    expect(found.failed).toBe(true)
    const [least] = found.counterexample!
    // Somebody who submits and stops; what makes the run slow is the platform's.
    expect(least.people.map((action) => action.do)).toEqual(['submit', 'stop'])
    expect(least.faults.length).toBeLessThanOrEqual(1)
  } finally {
    bundle.remove()
  }
})
