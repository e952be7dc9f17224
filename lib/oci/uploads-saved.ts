/** An upload between two processes. */
import { connectionOf } from './client.ts'
import type { Connection } from './connection.ts'
import { pushScope } from './scope.ts'
import type { RegistryClient } from './types.ts'
import { cancelSession } from './uploads-session.ts'

/** What the next process needs to go on with an upload. */
export interface SavedUpload {
  /** Where the next chunk goes. A capability: whoever has it and the credentials may write. */
  location: string
  /** Bytes we sent and the registry accepted. */
  offset: number
  /** State of the hash after them. */
  hash: string
  /** How often this blob was begun anew. */
  restarts: number
  /** What came to an end once had another digest: the second time is the last. */
  doubted?: boolean
  /** What the registry asked for when it opened the session. */
  chunkBytesMin?: number
}

/** Gives a session up; the answer does not matter. A location that is not of this registry gets nothing. */
export async function cancelUpload(target: RegistryClient, repository: string, upload: SavedUpload): Promise<void> {
  const connection = connectionOf(target)
  const session = ownLocation(connection, upload)
  if (session) await cancelSession(connection, session, [pushScope(repository)])
}

/** A checkpoint is data: its location must be of the registry it is sent to. */
export function ownLocation(connection: Connection, { location }: SavedUpload): URL | undefined {
  if (!URL.canParse(location)) return undefined
  const url = new URL(location)
  return connection.isOwn(url) && !url.username && !url.password ? url : undefined
}
