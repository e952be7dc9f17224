/** The part of dynalite we use; it ships no types. */
declare module 'dynalite' {
  import type { Server } from 'node:http'

  function dynalite(options: {
    /** Folder of the LevelDB store; without it everything stays in memory. */
    path?: string
    createTableMs?: number
    deleteTableMs?: number
    updateTableMs?: number
  }): Server
  export default dynalite
}

/** The part of its insides that atomic-indexes.ts replaces. */
declare module 'dynalite/db/index.js' {
  export type StoredItem = Record<string, unknown>
  export interface DynaliteTable {
    TableName: string
    KeySchema: { AttributeName: string }[]
    LocalSecondaryIndexes?: object[]
    GlobalSecondaryIndexes?: object[]
  }
  export interface DynaliteStore {
    db: { batch(writes: object[], done: (error?: Error | null) => void): void }
  }
  const db: {
    createKey(item: StoredItem, table: DynaliteTable): string
    getIndexActions(
      indexes: object[],
      before: StoredItem | undefined,
      after: StoredItem | null,
      table: DynaliteTable,
    ): {
      puts: { index: string; key: string; item: StoredItem }[]
      deletes: { index: string; key: string }[]
    }
    updateIndexes(
      store: DynaliteStore,
      table: DynaliteTable,
      before: StoredItem | undefined,
      after: StoredItem | null,
      done: (error?: Error | null) => void,
    ): void
  }
  export default db
}
