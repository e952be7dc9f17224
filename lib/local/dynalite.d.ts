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
