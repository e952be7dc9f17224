/**
 * Uploads: POST opens a session, one PUT with Content-Length sends the blob and closes it (the fastest form on every
 * registry measured, and the only one some take). A blob is its digest, so that an upload that happens twice leaves
 * one blob; a session left behind is cancelled or expires at the registry.
 */
import type { Readable } from 'node:stream'
import { LongshoreError } from '../errors.ts'
import { discard } from '../net/body.ts'
import { told } from './answers.ts'
import type { Connection } from './connection.ts'
import { within } from './deadline.ts'
import { pullScope, pushScope } from './scope.ts'
import type { CallOptions, Descriptor } from './types.ts'
import { cancelSession, openSession, sessionOf } from './uploads-session.ts'

type UploadOptions = CallOptions & { onBytes?: (count: number) => void }

export async function uploadBlob(
  connection: Connection,
  repository: string,
  descriptor: Descriptor,
  open: () => Promise<Readable>,
  options: UploadOptions,
): Promise<void> {
  const { onBytes, ...call } = options
  let reported = 0
  for (let attempt = 0; ; attempt++) {
    let sent = 0
    const counting = (count: number) => {
      sent += count
      // A second try sends the same bytes again; progress only rises.
      if (sent > reported) onBytes?.(sent - reported)
      reported = Math.max(reported, sent)
    }
    try {
      return await uploadOnce(connection, repository, descriptor, open, call, counting)
    } catch (error) {
      const again = error instanceof LongshoreError && mayHelp.has(error.code) && !call.signal?.aborted
      if (!again || attempt >= connection.limits.registryRetriesMax) throw error
      await connection.backoff(attempt, call.signal)
    }
  }
}

/** Trouble on the way or a lost session: the whole upload is begun again. A 429 parks the job instead. */
const mayHelp = new Set(['registry-unavailable', 'registry-timeout', 'connection-cut', 'upload-rejected'])

async function uploadOnce(
  connection: Connection,
  repository: string,
  descriptor: Descriptor,
  open: () => Promise<Readable>,
  options: CallOptions,
  onBytes: (count: number) => void,
): Promise<void> {
  const what = `the upload of ${connection.host}/${repository}@${descriptor.digest}`
  const scopes = [pushScope(repository)]
  const { location: session } = await openSession(connection, repository, what, options)
  let stream: Readable | undefined
  let closed = false
  try {
    stream = await open()
    const closing = new URL(session)
    closing.searchParams.append('digest', descriptor.digest)
    const put = await connection.request(
      {
        method: 'PUT',
        target: closing,
        scopes,
        headers: { 'content-type': 'application/octet-stream' },
        body: { stream, length: descriptor.size, onBytes },
        expect: [201, 204, 400, 404, 405, 409, 413, 416],
        what,
        repeatable: false,
        headersTimeoutMs: connection.limits.registryCommitTimeoutMs,
      },
      options,
    )
    if (put.status >= 300) {
      const refusal = await connection.refusal(put)
      // A blob that is too large stays too large: neither this upload nor another attempt is begun again for it.
      const code = put.status === 413 ? 'registry-invalid' : 'upload-rejected'
      throw new LongshoreError(code, `${connection.host} refused ${what} (${told(put.status, refusal)})`)
    }
    await discard(put.body)
    if (!put.bodySent)
      throw new LongshoreError('upload-rejected', `${connection.host} accepted ${what} before it had the content`)
    closed = true
  } finally {
    stream?.destroy()
    if (!closed) await cancelSession(connection, session, scopes)
  }
}

/**
 * Mounts without looking first (201 covers "was there" as well). Whatever goes wrong, a plain upload follows; registries
 * answer an unknown `from` with 400, 401, 403 or 404 (go-containerregistry#1404, #1741, #1393).
 */
export async function mountBlob(
  connection: Connection,
  repository: string,
  descriptor: Descriptor,
  from: string,
  options: CallOptions,
): Promise<boolean> {
  const what = `the mount of ${descriptor.digest} from ${from} into ${connection.host}/${repository}`
  const scopes = [pushScope(repository), pullScope(from)]
  const query = new URLSearchParams({ mount: descriptor.digest, from })
  const target = `/v2/${repository}/blobs/uploads/?${query}`
  try {
    return await within(
      options,
      options.timeoutMs ?? connection.limits.registryRequestTimeoutMs,
      what,
      async (call) => {
        const answer = await connection.request({ method: 'POST', target, scopes, expect: [201, 202], what }, call)
        await discard(answer.body)
        if (answer.status === 201) return true
        await cancelSession(connection, sessionOf(connection, answer, what), scopes)
        return false
      },
    )
  } catch (error) {
    const refused = error instanceof LongshoreError && !error.retryable && error.code !== 'registry-not-allowed'
    if (refused && !options.signal?.aborted) return false
    throw error
  }
}
