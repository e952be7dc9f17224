/** Workers of one deployment, each with its own process, one store, and a registry that says 429. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { budgetKey } from '../../lib/oci/budget.ts'
import { openRegistries } from '../../lib/oci/open-registries.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'
import { answerManifest, failure, fixedRandom, imageManifest, serve, testLimits, virtualClock } from './server.ts'

const SENT = new Date(1_700_000_000_000).toUTCString()

function fleetOf(host: string, fixed: boolean) {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-fleet-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const object = { host, insecure: true, allowPrivate: true }
  const inner = memoryStore()
  const calls: string[] = []
  const store = new Proxy(inner, {
    get: (of, name: keyof Store) => {
      const method = of[name] as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        calls.push(name)
        return method(...args)
      }
    },
  })
  const variables = {
    LONGSHORE_SECRETS: `file:${folder}`,
    ...(fixed ? { LONGSHORE_REGISTRIES: JSON.stringify([object]) } : {}),
  }
  const clock = virtualClock()
  const worker = () => {
    const world = { store, limits: testLimits, clock, random: fixedRandom, keepClientsMs: 0 }
    const registries = openRegistries(variables, world)
    return async () => {
      const open = registries.of('t')
      onTestFinished(() => open.close())
      return await open(host)
    }
  }
  const stored = fixed ? Promise.resolve() : inner.put({ pk: 'R#t', sk: host, ...object, v: 1 })
  return { clock, calls, store: inner, worker, stored }
}

test.each([
  ['a stored registry object', false],
  ['LONGSHORE_REGISTRIES', true],
])('after one worker was told 429 no other asks until it is over: with %s', async (_, fixed) => {
  const manifest = imageManifest()
  let refuse = true
  const server = await serve((_, response) =>
    refuse ? response.writeHead(429, { date: SENT, 'retry-after': '90' }).end() : answerManifest(response, manifest),
  )
  const fleet = fleetOf(server.host, fixed)
  await fleet.stored
  expect(await failure((await fleet.worker()()).resolve('a', '1'))).toMatchObject({ retryAfterMs: 90_000 })
  refuse = false
  expect(server.seen).toHaveLength(1)
  for (const other of [fleet.worker(), fleet.worker()])
    expect(await failure((await other()).resolve('a', '1'))).toMatchObject({
      code: 'registry-throttled',
      retryAfterMs: 90_000,
    })
  expect(server.seen).toHaveLength(1)
  await fleet.clock.sleep(90_000)
  expect(await (await fleet.worker()()).resolve('a', '1')).toMatchObject({ digest: manifest.digest })
})

test('a run of a registry without limit and without a 429 makes the one call it made before: the registry object', async () => {
  const manifest = imageManifest()
  const server = await serve((_, response) => answerManifest(response, manifest))
  const fleet = fleetOf(server.host, false)
  await fleet.stored
  const client = await fleet.worker()()
  for (let n = 0; n < 20; n++) await client.resolve('a', '1')
  expect(fleet.calls).toEqual(['getMany'])
})

test('a host of LONGSHORE_REGISTRIES costs a read of its budget, and a warm worker none', async () => {
  const manifest = imageManifest()
  const server = await serve((_, response) => answerManifest(response, manifest))
  const fleet = fleetOf(server.host, true)
  const worker = fleet.worker()
  for (let run = 0; run < 3; run++) await (await worker()).resolve('a', '1')
  expect(fleet.calls).toEqual(['get'])
  expect(await fleet.store.get(budgetKey('t', server.host))).toBeUndefined()
})
