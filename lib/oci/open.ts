/** From a host name to its client: the registry object, its credentials, one client per host. */
import type { Clock, Random } from '../clock.ts'
import type { Limits } from '../config.ts'
import { checkLiteralHost, type Resolver } from '../net/guard.ts'
import type { BasicCredentials } from './auth.ts'
import type { FleetBudget } from './budget.ts'
import { Client } from './client.ts'
import { normalizeHost } from './reference.ts'
import type { OpenRegistry, Registry } from './types.ts'

export interface OpenRegistryOptions {
  /** The registry object of a host in its one spelling (`normalizeHost`), credentials resolved. */
  find: (host: string) => Promise<Registry | undefined>
  /** `ecrToken` of `ecr.ts`, or another login for ECR hosts. */
  ecrToken: (host: string) => Promise<BasicCredentials>
  limits: Limits
  clock: Clock
  random: Random
  resolver?: Resolver
  /** What all workers share of a host: how often it may be asked. */
  budgetOf?: (host: string) => FleetBudget
}

/** Also forgets all clients and ends their idle connections. */
export type ClosableOpenRegistry = OpenRegistry & { close(): void }

/**
 * Opens registries and keeps one client per host. A public https registry needs no object; a private address without
 * one that allows it is `registry-not-allowed` here already when it is written as an address or as `localhost`, and at
 * connect time when a name leads there.
 */
export function createOpenRegistry(options: OpenRegistryOptions): ClosableOpenRegistry {
  const clients = new Map<string, Promise<Client>>()

  const make = async (host: string): Promise<Client> => {
    const registry: Registry = { ...(await options.find(host)), host }
    const { hostname } = new URL(`https://${host}`)
    const isLocal = hostname === 'localhost' || hostname.endsWith('.localhost')
    checkLiteralHost(isLocal ? '127.0.0.1' : hostname, registry.allowPrivate ?? false)
    const budget = options.budgetOf?.(host)
    budget?.limit(registry.requestsPerSecond)
    return new Client(registry, { ...options, ...(budget && { budget }) })
  }

  const open = async (text: string) => {
    const host = normalizeHost(text)
    let client = clients.get(host)
    if (!client) {
      client = make(host)
      clients.set(host, client)
      // What failed is looked up again the next time: the object may be made in the meantime.
      client.catch(() => clients.delete(host))
    }
    return client
  }
  const close = () => {
    for (const client of clients.values()) client.then((c) => c.close()).catch(() => {})
    clients.clear()
  }
  return Object.assign(open, { close })
}
