/** Which base is in use: one item for each tenant, written by the compactor under the condition of what it saw. */
import type { Json } from '../../glossary.ts'
import { absent, eq } from '../../store/condition.ts'
import { ConditionFailed, type Store } from '../../store/port.ts'

export interface IndexPointer {
  /** Rises with each base; its file name begins with it. */
  generation: number
  /** Blob of the base. */
  key: string
  /** When it was made, milliseconds since the epoch. */
  mergedAt: number
  /** When images that are forgotten were last looked for. */
  purgedAt: number
  /** Images in it. */
  entries: number
}

const PARTITION = 'C#package-index'

/** Strongly consistent. */
export async function readPointer(store: Store, tenant: string): Promise<IndexPointer | undefined> {
  const item = await store.get({ pk: PARTITION, sk: tenant })
  return item && ({ ...item } as unknown as IndexPointer)
}

/** False: another compactor was faster. */
export async function movePointer(
  store: Store,
  tenant: string,
  next: IndexPointer,
  seen: IndexPointer | undefined,
): Promise<boolean> {
  const { generation, key, mergedAt, purgedAt, entries } = next
  try {
    await store.update(
      { pk: PARTITION, sk: tenant },
      { set: { generation, key, mergedAt, purgedAt, entries } },
      seen ? eq('generation', seen.generation) : absent('generation'),
    )
    return true
  } catch (thrown) {
    if (thrown instanceof ConditionFailed) return false
    throw thrown
  }
}

/** Tenants that have a base. */
export async function tenantsWithBase(store: Store): Promise<string[]> {
  const tenants: string[] = []
  let cursor: Json | undefined
  do {
    const page = await store.query({ pk: PARTITION, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
    tenants.push(...page.items.map(({ sk }) => sk))
    cursor = page.cursor
  } while (cursor !== undefined)
  return tenants
}

const FOLDER = 'index/base/'

/** The random part keeps two compactors of one generation apart. */
export const baseKey = (tenant: string, generation: number, token: string): string =>
  `${FOLDER}${tenant}/${String(generation).padStart(9, '0')}-${token}.gz`
export const basePrefix = (tenant: string): string => `${FOLDER}${tenant}/`
export const generationOf = (key: string): number => Number(key.slice(key.lastIndexOf('/') + 1).slice(0, 9))
