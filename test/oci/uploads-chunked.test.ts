import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startRegistry } from '../../lib/local/registry/server.ts'
import { blobParts } from '../../lib/oci/blob-parts.ts'
import type { Descriptor } from '../../lib/oci/types.ts'
import { type ChunkedOptions, uploadInChunks } from '../../lib/oci/uploads-chunked.ts'
import { uploadQuirks } from '../../lib/oci/uploads-quirks.ts'
import { cancelUpload, type SavedUpload } from '../../lib/oci/uploads-saved.ts'
import { type ChunkRegistry, chunkRegistry, read } from './chunk-registry.ts'
import { clientOf, digestOf, failure } from './server.ts'

const content = randomBytes(1_000_000)
const blob: Descriptor = { mediaType: 'x/y', digest: digestOf(content), size: content.length }
const CHUNK = 300_000

/** Blobs in a registry that does nothing wrong. */
async function sourceWith(bytes: Buffer = content, digest = blob.digest): Promise<ChunkRegistry> {
  const source = await chunkRegistry()
  source.blobs.set(digest, bytes)
  return source
}

/** One process: its own clients, chunks of `CHUNK` bytes, at most `chunks` of them. */
async function send(
  source: { host: string },
  target: { host: string },
  more: Partial<ChunkedOptions> & { chunks?: number } = {},
) {
  const { chunks = Infinity, ...options } = more
  const saved: SavedUpload[] = []
  const from = clientOf(source.host)
  const to = clientOf(target.host)
  let left = chunks
  // A worker looks for the blob first; by this the client knows the scheme of the host.
  await to.hasBlob('a', blob)
  const outcome = uploadInChunks(
    to,
    'a',
    blob,
    (at) => blobParts(from, 'a', blob, at, options.signal ? { signal: options.signal } : {}),
    {
      next: (bytes, min, max) => {
        if (left <= 0) return 0
        return Math.min(bytes, Math.max(min, Math.min(CHUNK, max)))
      },
      ...options,
      onSaved: (upload) => {
        if (upload.offset > (saved.at(-1)?.offset ?? 0)) left--
        saved.push(upload)
      },
    },
  )
  return { outcome: await outcome, saved, last: saved.at(-1) as SavedUpload }
}

describe('an upload in chunks', () => {
  test('goes on in another process, and puts the last chunk into the closing PUT', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry()]
    const first = await send(source, target, { chunks: 2 })
    expect(first.outcome).toBe('paused')
    expect(first.last).toMatchObject({ offset: 600_000, restarts: 0 })
    const second = await send(source, target, { from: structuredClone(first.last) })
    expect(second.outcome).toBe('closed')
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
    expect(target.methods).toBe('HEAD POST PATCH PATCH HEAD GET PATCH PUT')
    expect(source.server.seen.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=600000-'])
    expect(target.received).toBe(content.length)
  })

  test('works with the registry of the demo, which checks where each chunk belongs', async () => {
    const target = await startRegistry()
    onTestFinished(() => target.close())
    const source = await sourceWith()
    const { last } = await send(source, target, { chunks: 1 })
    expect((await send(source, target, { from: last, chunks: 1 })).outcome).toBe('paused')
    expect((await send(source, target, { from: last })).outcome).toBe('closed')
    expect(await clientOf(target.host).hasBlob('a', blob)).toBe(true)
    expect(target.openUploads()).toBe(0)
  })

  test('has chunks as large as the registry asks for', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry({ chunkBytesMin: 400_000 })]
    const { last } = await send(source, target, { chunks: 1 })
    expect(last).toMatchObject({ offset: 400_000, chunkBytesMin: 400_000 })
    expect((await send(source, target, { from: last })).outcome).toBe('closed')
    expect(target.methods).toBe('HEAD POST PATCH HEAD GET PATCH PUT')
  })

  test('asks nothing and opens nothing when there is no time', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry()]
    expect((await send(source, target, { chunks: 0 })).outcome).toBe('paused')
    expect(target.methods).toBe('HEAD')
    expect(source.server.seen).toEqual([])
  })

  test('keeps what a registry kept of a chunk that was cut: those bytes are not sent again', async () => {
    let cut = false
    const source = await sourceWith()
    const target = await chunkRegistry({
      before: (request, _response, registry) => {
        if (request.method !== 'PATCH' || cut || registry.sessions.get('s1')?.length === 0) return false
        cut = true
        // 100,000 bytes beyond the chunk before are kept, then the line is cut.
        registry.sessions.set('s1', content.subarray(0, 400_000))
        request.destroy()
        return true
      },
    })
    expect((await send(source, target)).outcome).toBe('closed')
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
    expect(target.received).toBe(900_000)
    // The source is read again from where the hash stands.
    expect(source.server.seen.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=300000-'])
  })

  test('is begun anew when its session is gone, and counts it (fault 17)', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry()]
    const { last } = await send(source, target, { chunks: 2 })
    target.sessions.clear()
    const { outcome, saved } = await send(source, target, { from: last })
    expect(outcome).toBe('closed')
    expect(saved[0]).toMatchObject({ offset: 0, restarts: 1 })
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
  })

  test('that a registry loses again and again ends with a sentence about it', async () => {
    const source = await sourceWith()
    const target = await chunkRegistry({
      before: (request, _response, registry) => {
        if (request.method === 'PATCH' && registry.sessions.size > 0) registry.sessions.clear()
        return false
      },
    })
    const error = await failure(send(source, target))
    expect(error).toMatchObject({ code: 'upload-lost', retryable: false })
    expect(error.message).toContain('4 times')
    expect(target.server.seen.filter(({ method }) => method === 'POST')).toHaveLength(4)
  })

  test('of which only the last answer was lost is not sent again', async () => {
    const source = await sourceWith()
    const target = await chunkRegistry({
      before: (request, _response, registry) => {
        if (request.method !== 'PUT') return false
        void read(request).then(() => {
          registry.sessions.clear()
          registry.blobs.set(blob.digest, content)
          request.socket.destroy()
        })
        return true
      },
    })
    expect((await send(source, target)).outcome).toBe('closed')
    expect(target.methods).toBe('HEAD POST PATCH PATCH PATCH PUT GET HEAD')
  })

  test('of which all bytes are kept but the closing failed is closed again, and no byte is sent twice', async () => {
    const source = await sourceWith()
    let failed = false
    const target = await chunkRegistry({
      before: (request, response, registry) => {
        if (request.method !== 'PUT' || failed) return false
        failed = true
        void read(request).then((rest) => {
          registry.sessions.set('s1', Buffer.concat([registry.sessions.get('s1')!, rest]))
          response.writeHead(503, { 'content-length': 0 }).end()
        })
        return true
      },
    })
    expect((await send(source, target)).outcome).toBe('closed')
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
    expect(target.methods).toBe('HEAD POST PATCH PATCH PATCH PUT GET PUT')
    // Without the rest, which the closing that failed had brought.
    expect(target.received).toBe(900_000)
  })

  test('whose worker died while it closed is closed by the next one', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry()]
    const { last } = await send(source, target, { chunks: 3 })
    target.sessions.set('s1', content)
    expect((await send(source, target, { from: last })).outcome).toBe('closed')
    expect(target.methods).toBe('HEAD POST PATCH PATCH PATCH HEAD GET PUT')
    expect(target.received).toBe(900_000)
  })

  test('goes on where a registry tells the Range of a chunk alone, once its status agrees', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry({ tellsChunksOnly: true })]
    const { outcome, last } = await send(source, target)
    expect(outcome).toBe('closed')
    expect(last.restarts).toBe(0)
    expect(target.methods).toBe('HEAD POST PATCH PATCH GET PATCH GET PUT')
    expect(target.received).toBe(content.length)
  })

  test('to ECR believes the offset of its error message, not its Range and not its status', async () => {
    const quirks = uploadQuirks('123456789012.dkr.ecr.eu-west-1.amazonaws.com')
    expect(quirks).toMatchObject({ chunkBytesMin: 5_242_880, chunkBytesMax: 10_485_760, isStatusStale: true })
    const [source, target] = [await sourceWith(), await chunkRegistry({ ecr: true })]
    const options = { quirks: { ...quirks, chunkBytesMin: 0 } }
    const { last } = await send(source, target, { ...options, chunks: 2 })
    expect(last.offset).toBe(600_000)
    // The worker was killed after a third chunk had arrived, and before it had saved it.
    target.sessions.set('s1', content.subarray(0, 700_000))
    const { outcome } = await send(source, target, { ...options, from: last })
    expect(outcome).toBe('closed')
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
    expect(target.methods).toBe('HEAD POST PATCH PATCH HEAD PATCH PUT')
  })

  test('reads a source that ignores Range from its beginning, and sends only what is missing', async () => {
    const source = await chunkRegistry({ ignoresRange: true })
    source.blobs.set(blob.digest, content)
    const target = await chunkRegistry()
    const { last } = await send(source, target, { chunks: 2 })
    expect((await send(source, target, { from: last })).outcome).toBe('closed')
    expect(target.received).toBe(content.length)
  })

  test('refuses a source that sends another range than was asked for', async () => {
    const source = await chunkRegistry({
      before: (request, response) => {
        if (!request.headers.range) return false
        response.writeHead(206, { 'content-range': `bytes 5-${content.length - 1}/${content.length}` }).end(content)
        return true
      },
    })
    source.blobs.set(blob.digest, content)
    const target = await chunkRegistry()
    const { last } = await send(source, target, { chunks: 1 })
    expect(await failure(send(source, target, { from: last }))).toMatchObject({ code: 'registry-invalid' })
  })

  test('reads on after a cut of the source, inside one chunk', async () => {
    let cut = false
    const source = await chunkRegistry({
      before: (request, response) => {
        if (request.method !== 'GET' || cut) return false
        cut = true
        response.writeHead(200, { 'content-length': content.length })
        response.write(content.subarray(0, 450_000), () => response.destroy())
        return true
      },
    })
    source.blobs.set(blob.digest, content)
    const target = await chunkRegistry()
    expect((await send(source, target)).outcome).toBe('closed')
    expect(target.methods).toBe('HEAD POST PATCH PATCH PATCH PUT')
    expect(target.received).toBe(content.length)
  })

  test('never completes a wrong content: tried once more, then the source is named', async () => {
    const wrong = Buffer.from(content)
    wrong[700_000] = (wrong[700_000] ?? 0) ^ 1
    const [source, target] = [await sourceWith(wrong), await chunkRegistry()]
    expect(await failure(send(source, target))).toMatchObject({ code: 'digest-mismatch' })
    expect(target.server.seen.filter(({ method }) => method === 'POST')).toHaveLength(2)
    // The last bytes are held back until the digest was checked.
    expect(target.received).toBeLessThan(2 * content.length)
    expect(target.blobs.size).toBe(0)
  })

  test('survives a chunk of a run that should be dead: the digest finds it, and it is sent once more', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry({ ignoresContentRange: true })]
    const zombie = await send(source, target, { chunks: 1 })
    const successor = await send(source, target, { from: zombie.last, chunks: 1 })
    // The superseded run wakes up and sends its next chunk where it left off; docker-registry 2.8.2 takes it.
    const late = await fetch(new URL(zombie.last.location), {
      method: 'PATCH',
      headers: { 'content-range': '300000-599999', 'content-type': 'application/octet-stream' },
      body: content.subarray(300_000, 600_000),
    })
    expect(late.status).toBe(202)
    const { outcome, saved } = await send(source, target, { from: successor.last })
    expect(outcome).toBe('closed')
    expect(saved.some(({ doubted, restarts }) => doubted && restarts === 1)).toBe(true)
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
  })

  test('sees by the Range of an answer that another run writes the same session', async () => {
    const source = await sourceWith()
    let meddled = false
    const target = await chunkRegistry({
      ignoresContentRange: true,
      before: (request, _response, registry) => {
        const session = registry.sessions.get('s1')
        if (request.method !== 'PATCH' || meddled || !session?.length) return false
        meddled = true
        registry.sessions.set('s1', Buffer.concat([session, Buffer.alloc(10)]))
        return false
      },
    })
    const { outcome, saved } = await send(source, target)
    expect(outcome).toBe('closed')
    // Found after that very chunk: nothing more is sent into a spoilt session.
    expect(saved.map(({ offset }) => offset)).toEqual([0, 300_000, 600_000, 0, 300_000, 600_000, 900_000])
  })

  test('that a registry stores wrongly twice ends as its fault', async () => {
    const source = await sourceWith()
    const target = await chunkRegistry({
      before: (request, response) => {
        if (request.method !== 'PUT') return false
        void read(request).then(() => {
          const body = JSON.stringify({ errors: [{ code: 'DIGEST_INVALID', message: 'no' }] })
          response.writeHead(400, { 'content-type': 'application/json' }).end(body)
        })
        return true
      },
    })
    const error = await failure(send(source, target))
    expect(error).toMatchObject({ code: 'digest-mismatch', side: 'target' })
    expect(target.server.seen.filter(({ method }) => method === 'PUT')).toHaveLength(2)
  })

  test('is left to a PUT where the registry knows no PATCH', async () => {
    const source = await sourceWith()
    const target = await chunkRegistry({
      before: (request, response) => {
        if (request.method !== 'PATCH') return false
        void read(request).then(() => response.writeHead(405, { 'content-length': 0 }).end())
        return true
      },
    })
    expect((await send(source, target)).outcome).toBe('refused')
    expect(target.sessions.size).toBe(0)
  })

  test('goes nowhere but to its own registry, whatever a checkpoint or an answer says', async () => {
    const elsewhere = await chunkRegistry()
    const [source, target] = [await sourceWith(), await chunkRegistry()]
    const { last } = await send(source, target, { chunks: 1 })
    const forged = { ...last, location: `http://${elsewhere.host}/v2/a/blobs/uploads/s1` }
    expect((await send(source, target, { from: forged })).outcome).toBe('closed')
    await cancelUpload(clientOf(target.host), 'a', forged)
    const other = await chunkRegistry({ locationAfterPatch: () => `http://${elsewhere.host}/v2/a/blobs/uploads/s1` })
    expect(await failure(send(source, other))).toMatchObject({ code: 'registry-invalid' })
    expect(elsewhere.server.seen).toEqual([])
  })

  test('does not trust the hash of a checkpoint that is none', async () => {
    const [source, target] = [await sourceWith(), await chunkRegistry()]
    const { last } = await send(source, target, { chunks: 1 })
    for (const hash of ['AAAA', Buffer.alloc(116).toString('base64')])
      expect((await send(source, target, { from: { ...last, hash } })).outcome).toBe('closed')
    expect(target.blobs.get(blob.digest)?.equals(content)).toBe(true)
  })

  test('is cut at once by an abort inside a chunk', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    const source = await sourceWith()
    let held = false
    const target = await chunkRegistry({
      before: (request, _response, registry) => {
        if (request.method !== 'PATCH' || held || !registry.sessions.get('s1')?.length) return false
        held = true
        request.once('data', () => stop.abort(reason))
        request.resume()
        return true
      },
    })
    const stopped = send(source, target, { signal: stop.signal })
    expect(await failure(stopped)).toBe(reason)
    expect(target.blobs.size).toBe(0)
  })
})

test.each([
  ['ghcr.io', { takesChunks: true, chunkBytesMax: 4_194_304 }],
  ['public.ecr.aws', { chunkBytesMin: 5_242_880, isStatusStale: true }],
  ['123456789012.dkr.ecr.us-gov-west-1.amazonaws.com', { chunkBytesMax: 10_485_760 }],
  ['europe-docker.pkg.dev', { takesChunks: false }],
  ['eu.gcr.io', { takesChunks: false }],
  ['gcr.io:443', { takesChunks: false }],
  ['notgcr.io', { takesChunks: true, chunkBytesMin: 0 }],
  ['ghcr.io.example', { chunkBytesMax: Number.POSITIVE_INFINITY }],
])('what is known of %s: %j', (host, quirks) => {
  expect(uploadQuirks(host)).toMatchObject(quirks)
})
