/** A blob that drips is no progress: it ends the attempt, and is not asked for again and again within it. */
import { expect, test } from 'vitest'
import { blobParts } from '../../lib/oci/blob-parts.ts'
import { clientOf, digestOf, failure, serve } from './server.ts'

const SIZE = 1_000_000
const descriptor = { mediaType: 'x/y', digest: digestOf('whatever'), size: SIZE }

const dripping = async () =>
  await serve((request, response) => {
    if (!request.url?.includes('/blobs/')) return void response.writeHead(200).end()
    const offset = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const headers = { 'content-range': `bytes ${offset}-${SIZE - 1}/${SIZE}`, 'content-length': String(SIZE - offset) }
    response.writeHead(offset > 0 ? 206 : 200, headers)
    const drip = setInterval(() => response.write('a'), 5)
    response.on('close', () => clearInterval(drip))
  })
const limits = { registryIdleTimeoutMs: 100 }

test('that is read whole (fault 25)', async () => {
  const server = await dripping()
  const client = clientOf(server.host, { limits })
  const stream = await client.blob('a', descriptor)
  const error = await failure(new Promise((resolve, reject) => stream.on('error', reject).on('end', resolve).resume()))
  expect(error).toMatchObject({ code: 'registry-timeout', retryable: true })
})

test('that is read in parts (fault 25)', async () => {
  const server = await dripping()
  const client = clientOf(server.host, { limits })
  const parts = await blobParts(client, 'a', descriptor, { offset: 0 }, {})
  const error = await failure(
    (async () => {
      for await (const _ of parts.take(SIZE));
    })(),
  )
  expect(error).toMatchObject({ code: 'registry-timeout', retryable: true })
  expect(error.message).toContain('while we waited')
  expect(server.seen.filter(({ path }) => path.includes('/blobs/'))).toHaveLength(1)
})
