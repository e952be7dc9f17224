/** What is said of an upload in chunks that goes wrong: each failure with who is at fault and what to look at. */
import { LongshoreError } from '../errors.ts'
import type { Connection } from './connection.ts'
import { Refused } from './uploads-answers.ts'

interface Upload {
  connection: Connection
  /** For messages. */
  what: string
}

/** A yes before the content was sent is not believed. */
export const tooEarly = ({ connection, what }: Upload, status: number): Refused =>
  new Refused(connection, what, status, { code: '', message: 'it said yes before it had the content' })

/** A yes to a chunk after which the registry has another number of bytes than was sent. */
export const disagrees = ({ connection, what }: Upload, status: number, has: number, sent: number): Refused =>
  new Refused(connection, what, status, {
    code: 'RANGE_INVALID',
    message: `it has ${has} bytes after ${sent} were sent`,
  })

/** The registry found another digest than we did in the same bytes. */
export const notStored = ({ connection }: Upload, error: Refused): LongshoreError =>
  new LongshoreError(
    'digest-mismatch',
    `${error.message}: what ${connection.host} stored is not what was sent, though our own check of the same bytes was right. Look at this registry and at what stands before it`,
    { side: 'target', cause: error },
  )

/** The session was gone too often. */
export const lost = ({ connection, what }: Upload, times: number, why: string): LongshoreError =>
  new LongshoreError(
    'upload-lost',
    `${connection.host} lost ${what} ${times} times (last: ${why.slice(0, 200)}). If it has several instances, they must share their storage and their secret (REGISTRY_HTTP_SECRET)`,
  )

/** Whether a refused first chunk means that this registry wants the blob whole. */
export const takesNoChunks = (error: unknown): boolean =>
  error instanceof Refused && ([405, 501].includes(error.status) || error.refusal.code === 'UNSUPPORTED')
