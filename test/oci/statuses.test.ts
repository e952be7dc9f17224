/** From what a registry answers to what becomes of the job (fault 24): one row per status. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { clientOf, digestOf, failure, imageManifest, serve } from './server.ts'

/** Requests counts the first one and its repetitions inside the job. */
test.each([
  [400, 'registry-invalid', 'permanent', 1],
  [401, 'registry-unauthorized', 'permanent', 1],
  [403, 'registry-unauthorized', 'permanent', 1],
  [404, 'image-not-found', 'permanent', 1],
  [405, 'registry-invalid', 'permanent', 1],
  [408, 'registry-timeout', 'transient', 4],
  [413, 'registry-invalid', 'permanent', 1],
  [429, 'registry-throttled', 'throttled', 4],
  [500, 'registry-unavailable', 'transient', 4],
  [502, 'registry-unavailable', 'transient', 4],
  [503, 'registry-unavailable', 'transient', 4],
  [504, 'registry-unavailable', 'transient', 4],
])('a manifest answered with %i is %s: %s, after %i requests', async (status, code, kind, requests) => {
  const server = await serve((_, response) => response.writeHead(status).end())
  const error = await failure(clientOf(server.host).manifest('a', '1'))
  expect(error).toMatchObject({ code, kind })
  expect(server.seen).toHaveLength(requests)
})

test('a manifest that is gone by its digest is source-gone: permanent', async () => {
  const server = await serve((_, response) => response.writeHead(404).end())
  const error = await failure(clientOf(server.host).manifest('a', imageManifest().digest))
  expect(error).toMatchObject({ code: 'source-gone', kind: 'permanent' })
})

test('a connection that is reset is told as transient, after its repetitions', async () => {
  const server = await serve((request) => request.socket.resetAndDestroy())
  const error = await failure(clientOf(server.host).manifest('a', '1'))
  expect(error).toMatchObject({ code: 'registry-unavailable', kind: 'transient' })
})

test.each([
  [413, 'registry-invalid', 'permanent', 1],
  [400, 'upload-rejected', 'transient', 4],
  [404, 'upload-rejected', 'transient', 4],
])('the content of a blob refused with %i is %s: %s, after %i uploads', async (status, code, kind, uploads) => {
  const server = await serve((request, response) => {
    request.resume()
    request.on('end', () => {
      if (request.method === 'POST') response.writeHead(202, { location: '/v2/a/blobs/uploads/1' }).end()
      else response.writeHead(request.method === 'PUT' ? status : 204).end()
    })
  })
  const bytes = Buffer.from('a layer')
  const blob = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length }
  const error = await failure(clientOf(server.host).upload('a', blob, async () => Readable.from([bytes])))
  expect(error).toMatchObject({ code, kind })
  expect(server.seen.filter(({ method }) => method === 'PUT')).toHaveLength(uploads)
})
