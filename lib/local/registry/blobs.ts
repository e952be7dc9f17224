/** HEAD, GET and DELETE of blobs, with single byte ranges (RFC 9110 section 14). */
import type { Readable } from 'node:stream'
import { type Answer, RegistryProblem } from './answer.ts'
import { type Call, digestOf } from './call.ts'

export async function blobRoute(call: Call, reference: string): Promise<Answer> {
  const digest = digestOf(reference)
  if (call.method === 'DELETE') {
    if (!(await call.store.removeBlob(call.repository, digest))) throw unknown(digest)
    return { status: 202, headers: { 'content-length': 0 } }
  }
  if (call.method !== 'GET' && call.method !== 'HEAD')
    throw new RegistryProblem('UNSUPPORTED', `${call.method} is not possible on a blob`)
  const size = call.store.hasBlob(call.repository, digest) ? await call.store.content.size(digest) : undefined
  if (size === undefined) throw unknown(digest)
  const range = rangeOf(call.request.headers.range, size)
  const headers: Record<string, string | number> = {
    'content-type': 'application/octet-stream',
    'content-length': range ? range.end - range.start + 1 : size,
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
  }
  if (range) headers['content-range'] = `bytes ${range.start}-${range.end}/${size}`
  const status = range ? 206 : 200
  if (call.method === 'HEAD') return { status, headers }
  const body: Readable = call.store.content.read(digest, range?.start ?? 0, range?.end ?? size - 1)
  return { status, headers, body }
}

const unknown = (digest: string) =>
  new RegistryProblem('BLOB_UNKNOWN', 'the repository does not know this blob', { details: [{ digest }] })

/** A single satisfiable range, or `undefined` where the header is to be ignored (absent, malformed, several ranges). */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [, first = '', last = ''] = match
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start > end)
    throw new RegistryProblem('RANGE_INVALID', 'the range lies outside of the blob', {
      headers: { 'content-range': `bytes */${size}` },
    })
  return { start, end }
}
