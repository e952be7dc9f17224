/** Registry clients of a deployment: registry objects of the store and of `LONGSHORE_REGISTRIES`, passwords, ECR logins. */
import type { Clock, Random } from '../clock.ts'
import type { Limits } from '../config.ts'
import { openSecrets } from '../secrets/open.ts'
import type { Store } from '../store/port.ts'
import { requiredVariable, type Variables } from '../variables.ts'
import { budgetKey, FleetBudget } from './budget.ts'
import { ecrToken } from './ecr.ts'
import { type RegistryObjects, readRegistries, registryObjects } from './objects.ts'
import { type ClosableOpenRegistry, createOpenRegistry } from './open.ts'

/** Hosts whose budget a process remembers; forgetting one costs a read. */
const BUDGETS_MAX = 1_000

export interface Registries {
  objects: RegistryObjects
  /** `keepClientsMs` long the same clients (connections, tokens), then new ones; 0: new ones at each call. */
  of(tenant: string): ClosableOpenRegistry
}

/** Throws `config-invalid`. */
export function openRegistries(
  variables: Variables,
  world: { store: Store; limits: Limits; clock: Clock; random: Random; keepClientsMs: number },
): Registries {
  const { store, limits, clock, random, keepClientsMs } = world
  // Where secrets are kept in files, a password in a variable is no worse; in the cloud it would stand in the template.
  const literalAllowed = requiredVariable(variables, 'LONGSHORE_SECRETS').startsWith('file:')
  const fixed = readRegistries(variables.LONGSHORE_REGISTRIES, literalAllowed)
  const objects = registryObjects({ store, secrets: openSecrets(variables), fixed })
  // Kept from run to run: a warm worker knows a pause without reading it, and has told its permits already.
  const budgets = new Map<string, FleetBudget>()
  const budgetOf = (tenant: string) => (host: string) => {
    const key = budgetKey(tenant, host)
    const name = `${key.pk} ${key.sk}`
    let budget = budgets.get(name)
    if (!budget) {
      if (budgets.size >= BUDGETS_MAX) budgets.clear()
      budget = new FleetBudget({ key, store, clock, limits })
      budgets.set(name, budget)
    }
    return budget
  }
  const open = (tenant: string) =>
    createOpenRegistry({
      find: (host) => objects.find(tenant, host, (item) => budgetOf(tenant)(host).see(item)),
      budgetOf: budgetOf(tenant),
      ecrToken: (host) => ecrToken(host, variables, limits),
      limits,
      clock,
      random,
    })
  const kept = new Map<string, { at: number; open: ClosableOpenRegistry }>()
  return {
    objects,
    of(tenant) {
      const known = kept.get(tenant)
      if (known && clock.now() - known.at < keepClientsMs) return known.open
      const fresh = open(tenant)
      if (keepClientsMs > 0) kept.set(tenant, { at: clock.now(), open: fresh })
      return fresh
    },
  }
}
