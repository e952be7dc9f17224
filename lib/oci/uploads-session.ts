/** Upload sessions: opening one, where it lives, and giving it up. */
import { LongshoreError } from '../errors.ts'
import { discard } from '../net/body.ts'
import type { HttpAnswer } from '../net/http.ts'
import type { Connection } from './connection.ts'
import { within } from './deadline.ts'
import { pushScope } from './scope.ts'
import type { CallOptions } from './types.ts'

/** Milliseconds for the DELETE of a session: a stop takes effect within 5 s, this included. */
const CANCEL_TIMEOUT_MS = 2_000

/** POST. `chunkBytesMin` is what the registry asks for by `OCI-Chunk-Min-Length`; 0 when it does not. */
export async function openSession(
  connection: Connection,
  repository: string,
  what: string,
  options: CallOptions,
): Promise<{ location: URL; chunkBytesMin: number }> {
  const target = `/v2/${repository}/blobs/uploads/`
  const post = { method: 'POST', target, scopes: [pushScope(repository)], expect: [202], what }
  const answer = await connection.request(post, options)
  await discard(answer.body)
  const asked = Number(answer.headers['oci-chunk-min-length'] ?? 0)
  const chunkBytesMin = Number.isSafeInteger(asked) && asked > 0 ? asked : 0
  return { location: sessionOf(connection, answer, what), chunkBytesMin }
}

/**
 * Where the session lives. It must be on the registry's own origin, because body and token go there; registries behind
 * a proxy that does not tell them their outer name are the usual cause of another one.
 */
export function sessionOf(connection: Connection, answer: HttpAnswer, what: string): URL {
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
export async function cancelSession(connection: Connection, session: URL, scopes: readonly string[]): Promise<void> {
  const request = { method: 'DELETE', target: session, scopes, expect: [200, 202, 204, 404], what: 'a cancellation' }
  await within({}, CANCEL_TIMEOUT_MS, 'a cancellation', async (call) => {
    const answer = await connection.request({ ...request, repeatable: false }, call)
    await discard(answer.body)
  }).catch(() => {})
}
