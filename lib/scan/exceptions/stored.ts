/**
 * The exceptions of a tenant, each by a name people chose: items `V#tenant / name`. They are read when a report is read,
 * so one takes effect at once, on reports of long ago as well, and nothing is scanned again.
 */
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import type { Json } from '../../glossary.ts'
import type { Key, Store } from '../../store/port.ts'
import type { ExceptionRule } from './model.ts'
import { type Exception, ruleOfException } from './schema.ts'

/** What a name may be: it stands in a path. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

export interface StoredException extends Exception {
  name: string
}

const partition = (tenant: string): string => `V#${tenant}`

/** Throws `exception-not-found` for what cannot be a name, so that a typo reads like one. */
function keyOf(tenant: string, name: string): Key {
  if (!NAME_PATTERN.test(name)) throw notFound(name)
  return { pk: partition(tenant), sk: name }
}

const notFound = (name: string): LongshoreError =>
  new LongshoreError(
    'exception-not-found',
    `there is no exception "${name.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')}"; GET /v1/exceptions lists them`,
  )

const fromItem = ({ pk: _, sk, ...exception }: Key & Record<string, unknown>): StoredException =>
  ({ name: sk, ...exception }) as StoredException

/** All of them, by name: at most `exceptionsMax`, as `putException` sees to. */
export async function listExceptions(store: Store, tenant: string): Promise<StoredException[]> {
  const found: StoredException[] = []
  let cursor: Json | undefined
  do {
    const page = await store.query({ pk: partition(tenant), limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
    found.push(...page.items.map(fromItem))
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

/** Throws `exception-not-found`. */
export async function getException(store: Store, tenant: string, name: string): Promise<StoredException> {
  const item = await store.get(keyOf(tenant, name))
  if (!item) throw notFound(name)
  return fromItem(item)
}

/** Creates or replaces. Throws `invalid-value` for a name that is none, and when there are too many. */
export async function putException(
  ports: { store: Store; limits: Limits },
  tenant: string,
  name: string,
  exception: Exception,
): Promise<StoredException> {
  if (!NAME_PATTERN.test(name)) throw invalid('an exception is named by 1 to 128 letters, digits, ".", "_" or "-"')
  const { exceptionsMax } = ports.limits
  // Two at once may pass together: the limit bounds what reading a report costs, one more does no harm.
  const count = await ports.store.count({ pk: partition(tenant), limit: exceptionsMax })
  if (count >= exceptionsMax && !(await ports.store.get(keyOf(tenant, name))))
    throw invalid(`there are ${count} exceptions, at most ${exceptionsMax} are kept; delete those that have expired`)
  await ports.store.put({ ...keyOf(tenant, name), ...exception })
  return { name, ...exception }
}

const invalid = (detail: string): LongshoreError =>
  new LongshoreError('invalid-value', detail, { errors: [{ pointer: '/name', detail }] })

/** Throws `exception-not-found`. */
export async function removeException(store: Store, tenant: string, name: string): Promise<void> {
  await getException(store, tenant, name)
  await store.delete(keyOf(tenant, name))
}

/** As rules; a rule names its exception as its source. */
export const storedRules = async (store: Store, tenant: string): Promise<ExceptionRule[]> =>
  (await listExceptions(store, tenant)).map((one) => ruleOfException(one, `exception ${one.name}`))
