/** The same world under scripts that fast-check writes, so that a failing one is taken apart until only the cause is left. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { history } from './history.ts'
import { type Action, FAULT_KINDS, type Fault, LATE_MS, type Script } from './script.ts'
import { scriptOf } from './shapes.ts'

const MINUTE = 60_000
const at = fc.integer({ min: 0, max: 4 * MINUTE })
const n = fc.integer({ min: 0, max: 2 })

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ at, do: fc.constant('submit' as const) }),
  fc.record({ at, do: fc.constant('submit' as const), key: fc.constantFrom('key-1', 'key-2') }),
  fc.record({ at, do: fc.constant('stop' as const), n }),
  fc.record({ at, do: fc.constant('retry' as const), n }),
  fc.record({ at, do: fc.constant('bulk' as const) }),
  fc.record({ at, do: fc.constant('stopExecution' as const), n }),
)

const fault: fc.Arbitrary<Fault> = fc.record({
  after: fc.integer({ min: 1, max: 150 }),
  kind: fc.constantFrom(...FAULT_KINDS),
  ms: fc.integer({ min: 1, max: LATE_MS }),
})

const script: fc.Arbitrary<Script> = fc.record({
  seed: fc.integer({ min: 1, max: 1_000 }),
  people: fc.array(action, { minLength: 1, maxLength: 6 }).map((actions) => actions.sort((a, b) => a.at - b.at)),
  faults: fc.array(fault, { maxLength: 8 }),
  chaosMs: fc.constant(5 * MINUTE),
  platform: fc.integer({ min: 1, max: 1_000 }).map((seed) => scriptOf(seed).platform),
})

it('holds under every script of people and faults', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(script, async (script) => {
      expect((await history(script)).violations).toEqual([])
    }),
    { numRuns: 200, seed: 20_261_122 },
  )
})
