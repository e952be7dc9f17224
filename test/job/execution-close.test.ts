import { expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createExecution, readExecution, stopExecution } from '../../lib/job/execution.ts'
import { asPort, SimulatedStore } from '../simulation/store.ts'
import { createWorld, DIGEST, START, TENANT, tagRegistry } from './world.ts'

it('an execution stopped right after its listing failed is not closed before the index shows its children', async () => {
  const tags = { v1: DIGEST, v2: `sha256:${'b'.repeat(64)}` }
  let resolved = 0
  let now = () => START
  // Its second page cannot be listed; the index shows the child of the first one 25 s late: the third item to be shown,
  // after the execution and its claim.
  const lags = [0, 0, 25_000]
  const world = createWorld({
    limits: { fanOutPageItems: 1 },
    registry: tagRegistry(
      { app: tags },
      { fail: () => (++resolved > 1 ? new LongshoreError('registry-unavailable', 'down') : undefined) },
    ),
    store: () => asPort(new SimulatedStore({ now: () => now(), lagMs: () => lags.shift() ?? 0, shared: false })),
  })
  now = () => world.clock.now()
  const id = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
  await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images: ['app'] } }, world.env)
  await world.deliver('fan-out')
  await world.deliver('probe-bulk')
  await stopExecution(TENANT, id, world.env)
  for (let n = 0; n < 4; n++) {
    await world.clock.advance(15_000)
    await world.sweep()
  }
  expect(await readExecution(TENANT, id, world.env)).toMatchObject({
    status: 'stopped',
    counts: { success: 1, total: 1 },
  })
})
