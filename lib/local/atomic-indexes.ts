/**
 * dynalite 4.0.0 writes an item in three steps: it removes the old index entries, puts the new ones, puts the item. A
 * process that is killed in between leaves an item that no index knows: a job that the sweep never meets again. Here the
 * entries and the item go into one batch of LevelDB, which is whole or not at all.
 */
import db, { type DynaliteStore, type DynaliteTable, type StoredItem } from 'dynalite/db/index.js'

interface Write {
  type: 'put' | 'del'
  key: string
  value?: StoredItem
}

type Done = (error?: Error | null) => void

/** Teaches dynalite; doing it twice is harmless. Its own put or delete of the item follows, and changes nothing more. */
export function writeIndexesWithTheirItem(): void {
  db.updateIndexes = updateIndexes
}

export function updateIndexes(
  store: Pick<DynaliteStore, 'db'>,
  table: DynaliteTable,
  before: StoredItem | undefined,
  after: StoredItem | null,
  done: Done,
): void {
  const owner = after ?? before
  if (!owner) {
    done()
    return
  }
  const writes: Write[] = []
  for (const kind of ['Local', 'Global'] as const) {
    const { puts, deletes } = db.getIndexActions(table[`${kind}SecondaryIndexes`] ?? [], before, after, table)
    const inIndex = (index: string, key: string) => `index-${kind.toLowerCase()}~${table.TableName}~${index}~${key}`
    for (const { index, key } of deletes) writes.push({ type: 'del', key: inIndex(index, key) })
    for (const { index, key, item } of puts) writes.push({ type: 'put', key: inIndex(index, key), value: item })
  }
  const key = `item-${table.TableName}~${db.createKey(owner, table)}`
  writes.push(after ? { type: 'put', key, value: after } : { type: 'del', key })
  store.db.batch(writes, done)
}
