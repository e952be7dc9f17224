/** The GET of a blob, from any byte on. What it gives is unverified: only `verified` and `BlobParts` read it. */
import type { IncomingMessage } from 'node:http'
import { LongshoreError } from '../errors.ts'
import { discard } from '../net/body.ts'
import type { Connection } from './connection.ts'
import { pullScope } from './scope.ts'
import type { CallOptions, Descriptor } from './types.ts'

/** Repository and digest have passed the grammar of `reference.ts`, so nothing needs escaping. */
export const blobPath = (repository: string, digest: string) => `/v2/${repository}/blobs/${digest}`

/**
 * The body from `offset` on. `skip` is how many bytes at its beginning lie before the offset: a registry that ignores
 * Range sends everything. Throws `source-gone`, `registry-invalid` (another range than asked for), `size-mismatch`.
 */
export async function openBlobBody(
  connection: Connection,
  repository: string,
  descriptor: Descriptor,
  offset: number,
  what: string,
  options: CallOptions,
): Promise<{ body: IncomingMessage; skip: number }> {
  const answer = await connection.request(
    {
      method: 'GET',
      target: blobPath(repository, descriptor.digest),
      scopes: [pullScope(repository)],
      ...(offset > 0 && { headers: { range: `bytes=${offset}-` } }),
      expect: offset > 0 ? [200, 206, 404] : [200, 404],
      what,
    },
    options,
  )
  const { body, headers } = answer
  if (answer.status === 404) {
    await discard(body)
    throw new LongshoreError('source-gone', `${connection.host} no longer has ${what}`)
  }
  if (answer.status === 206 && !headers['content-range']?.startsWith(`bytes ${offset}-`)) {
    body.destroy()
    throw new LongshoreError('registry-invalid', `${what}: the registry sent another range than was asked for`)
  }
  const skip = answer.status === 200 ? offset : 0
  const length = headers['content-length']
  if (length !== undefined && Number(length) !== descriptor.size - offset + skip) {
    body.destroy()
    throw new LongshoreError(
      'size-mismatch',
      `${what}: the registry has ${length} bytes, the manifest tells ${descriptor.size - offset + skip}`,
    )
  }
  body.on('close', () => connection.countIn(Number(length ?? 0), options))
  return { body, skip }
}
