/** The store as one function reaches it: every call may meet a fault, every change is watched. */
import type { Store } from '../../lib/store/port.ts'
import { EFFORT } from './script.ts'
import type { Instance, World } from './world.ts'

export class StorePort implements Store {
  readonly #world: World
  readonly #instance: Instance

  constructor(world: World, instance: Instance) {
    this.#world = world
    this.#instance = instance
  }

  #call<T>(effort: number, what: string, details: unknown, effect: () => Promise<T>): Promise<T> {
    return this.#world.call(this.#instance, effort, 'store-unavailable', what, details, effect)
  }

  get: Store['get'] = (key) => this.#call(EFFORT.change / 2, 'get', key, async () => this.#world.store.get(key))

  getMany: Store['getMany'] = (keys) =>
    keys.length === 0
      ? Promise.resolve([])
      : this.#call(EFFORT.change / 2, 'getMany', keys, async () => this.#world.store.getMany(keys))

  // Asked a hundred times per sweep, mostly in vain: no closure, and one promise for all empty pages.
  query: Store['query'] = (query) => {
    const world = this.#world
    if (world.passes(this.#instance, EFFORT.look)) {
      const page = world.store.query(query)
      return page.items.length === 0 ? EMPTY : Promise.resolve(page)
    }
    return world.retell(this.#instance, 'query', query, async () => world.store.query(query))
  }

  count: Store['count'] = (query) => {
    const world = this.#world
    if (world.passes(this.#instance, EFFORT.look)) {
      const count = world.store.count(query)
      return count === 0 ? ZERO : Promise.resolve(count)
    }
    return world.retell(this.#instance, `count ${query.from}`, query, async () => world.store.count(query))
  }

  put: Store['put'] = (item, condition) =>
    this.#call(EFFORT.change, 'put', item, async () => {
      const before = this.#world.store.read(item)
      const after = this.#world.store.put(item, condition)
      this.#world.watch.seen(this.#instance, before, after)
    })

  update: Store['update'] = (key, change, condition) =>
    this.#call(EFFORT.change, 'update', { ...key, change, condition }, async () => {
      const before = this.#world.store.read(key)
      const after = this.#world.store.update(key, change, condition)
      this.#world.watch.seen(this.#instance, before, after)
      return after
    })

  delete: Store['delete'] = (key, condition) =>
    this.#call(EFFORT.change, 'delete', key, async () => {
      const before = this.#world.store.read(key)
      this.#world.store.delete(key, condition)
      this.#world.watch.seen(this.#instance, before, undefined)
    })
}

const EMPTY: ReturnType<Store['query']> = Promise.resolve({ items: [] })
const ZERO = Promise.resolve(0)
