/**
 * Uploads: POST opens a session, one PUT with Content-Length sends the blob and closes it (the fastest form on every
 * registry measured, and the only one some take). A blob is its digest, so that an upload that happens twice leaves
 * one blob; a session left behind is cancelled or expires at the registry.
 */
import type { Readable } from 'node:stream'
import { LongshoreError } from '../errors.ts'
import { discard } from '../net/body.ts'
import type { HttpAnswer } from '../net/http.ts'
import { told } from './answers.ts'
import type { Connection } from './connection.ts'
import { within } from './deadline.ts'
import { pullScope, pushScope } from './scope.ts'
import type { CallOptions, Descriptor } from './types.ts'

/** Milliseconds for the DELETE of a session: a stop takes effect within 5 s, this included. */
const CANCEL_TIMEOUT_MS = 2_000

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
  const post = { method: 'POST', target: `/v2/${repository}/blobs/uploads/`, scopes, expect: [202], what }
  const answer = await connection.request(post, options)
  await discard(answer.body)
  const session = sessionOf(connection, answer, what)
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
      throw new LongshoreError('upload-rejected', `${connection.host} refused ${what} (${told(put.status, refusal)})`)
    }
    await discard(put.body)
    if (!put.bodySent)
      throw new LongshoreError('upload-rejected', `${connection.host} accepted ${what} before it had the content`)
    closed = true
  } finally {
    stream?.destroy()
    if (!closed) await cancel(connection, session, scopes)
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
        await cancel(connection, sessionOf(connection, answer, what), scopes)
        return false
      },
    )
  } catch (error) {
    const refused = error instanceof LongshoreError && !error.retryable && error.code !== 'registry-not-allowed'
    if (refused && !options.signal?.aborted) return false
    throw error
  }
}

/**
 * Where the session lives. It must be on the registry's own origin, because body and token go there; registries behind
 * a proxy that does not tell them their outer name are the usual cause of another one.
 */
function sessionOf(connection: Connection, answer: HttpAnswer, what: string): URL {
  const location = answer.headers.location
  if (!location) throw new LongshoreError('registry-invalid', `${connection.host} opened ${what} without a Location`)
  let session: URL
  try {
    session = new URL(location, answer.url)
  } catch {
    throw new LongshoreError('registry-invalid', `${connection.host} opened ${what} at something that is not a URL`)
  }
  if (session.origin !== answer.url.origin || session.username || session.password)
    throw new LongshoreError(
      'registry-invalid',
      `${connection.host} wants ${what} at ${session.origin}, which is not ${answer.url.origin}; nothing is sent there. If the registry is behind a proxy, tell it its outer address (X-Forwarded-Proto, externalURL)`,
    )
  return session
}

/** Cancels the session also when the caller aborted; the answer does not matter. */
async function cancel(connection: Connection, session: URL, scopes: readonly string[]): Promise<void> {
  const request = { method: 'DELETE', target: session, scopes, expect: [200, 202, 204, 404], what: 'a cancellation' }
  await within({}, CANCEL_TIMEOUT_MS, 'a cancellation', async (call) => {
    const answer = await connection.request({ ...request, repeatable: false }, call)
    await discard(answer.body)
  }).catch(() => {})
}
