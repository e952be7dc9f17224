import { describe, expect, test } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { type RegistryInput, readRegistries, registryObjects, registrySchema } from '../../lib/oci/objects.ts'
import { memorySecrets } from '../../lib/secrets/memory.ts'
import { Secret } from '../../lib/secrets/port.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'

const host = 'registry.example'
const login: RegistryInput = registrySchema.parse({ host, credentials: { username: 'u', password: 'canary-object' } })

/** Objects whose secret store fails at its next deletion. */
function failing() {
  const secrets = memorySecrets()
  let fails = true
  const objects = registryObjects({
    store: memoryStore(),
    fixed: [],
    secrets: {
      ...secrets,
      async delete(name) {
        if (!fails) return await secrets.delete(name)
        fails = false
        throw new LongshoreError('store-unavailable', 'not now')
      },
    },
  })
  return { objects, kept: () => secrets.get(`registries/main/${host}`) }
}

describe('the password of a registry object', () => {
  test('goes with its object, also when a first deletion was cut between the two', async () => {
    const { objects, kept } = failing()
    await objects.put('main', login)
    await expect(objects.remove('main', host)).rejects.toMatchObject({ code: 'store-unavailable' })
    await objects.remove('main', host)
    expect(await kept()).toBeUndefined()
    await expect(objects.get('main', host)).rejects.toMatchObject({ code: 'registry-not-found' })
  })

  test('goes when its object needs none any more, also when a first change was cut between the two', async () => {
    const { objects, kept } = failing()
    await objects.put('main', login)
    await expect(objects.put('main', { host })).rejects.toMatchObject({ code: 'store-unavailable' })
    await objects.put('main', { host })
    expect(await kept()).toBeUndefined()
  })
})

test('all registry objects are listed, however many pages they are', async () => {
  const store = memoryStore()
  const short: Store = { ...store, query: async (query) => await store.query({ ...query, limit: 2 }) }
  const objects = registryObjects({ store: short, secrets: memorySecrets(), fixed: [] })
  const hosts = ['a.example', 'b.example', 'c.example', 'd.example', 'e.example']
  for (const host of hosts) await objects.put('main', { host })
  expect((await objects.list('main')).map(({ host }) => host)).toEqual(hosts)
})

test('the environment may name any secret, and the API any that is not of its own', async () => {
  const secrets = memorySecrets()
  const name = 'registries/main/other.example'
  await secrets.put(name, new Secret('robot:canary-any'))
  await secrets.put('registries/shared', new Secret('robot:canary-shared'))
  const fixed = readRegistries(JSON.stringify([{ host, credentials: { secret: name } }]), false)
  const objects = registryObjects({ store: memoryStore(), secrets, fixed })
  expect(await objects.find('main', host)).toMatchObject({ credentials: { username: 'robot' } })
  const shared = registrySchema.parse({ host: 'b.example', credentials: { secret: 'registries/shared' } })
  await objects.put('main', shared)
  expect(await objects.find('main', 'b.example')).toMatchObject({ credentials: { username: 'robot' } })
})
