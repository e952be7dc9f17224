import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Client } from '@aws-sdk/client-s3'
import S3rver from 's3rver'
import { expect, test } from 'vitest'
import { s3Blobs } from '../../lib/blobs/s3.ts'
import { blobsConformance } from './conformance.ts'

const clientOf = (port: number) =>
  new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    forcePathStyle: true,
    maxAttempts: 1,
    // s3rver stores the framing of the SDK's checksum trailers as content.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })

blobsConformance(
  'S3 protocol of s3rver',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'longshore-s3-'))
    const bucket = 'blobs'
    const options = { address: '127.0.0.1', port: 0, silent: true, directory, configureBuckets: [{ name: bucket }] }
    const server = new S3rver(options)
    const { port } = await server.run()
    const client = clientOf(port)
    return {
      blobs: s3Blobs({ client, bucket }),
      close: async () => {
        client.destroy()
        server.httpServer.closeAllConnections()
        await server.close()
        await rm(directory, { recursive: true })
      },
    }
  },
  { tearsWrites: true },
)

interface Answer {
  status: number
  body: string
  headers?: Record<string, string>
}

/** A server that answers as told; a content-length above the body's breaks the connection off in the middle. */
async function withAnswers(answer: (url: URL) => Answer, act: (port: number) => Promise<void>) {
  const server = createServer((request, response) => {
    request.resume()
    const {
      status,
      body,
      headers = { 'content-type': 'application/xml' },
    } = answer(new URL(request.url!, 'http://double'))
    response.writeHead(status, headers)
    if (Number(headers['content-length'] ?? 0) > body.length) response.write(body, () => response.destroy())
    else response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await act((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

// s3rver makes its tokens with single DES, which OpenSSL 3 no longer has: it answers 500 to every second page.
test('a list goes through all pages with the token of the page before (protocol double)', async () => {
  const page = (keys: string[], next?: string) => ({
    status: 200,
    body: `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}${keys
      .map((key) => `<Contents><Key>${key}</Key><Size>5</Size></Contents>`)
      .join('')}</ListBucketResult>`,
  })
  const asked: (string | null)[] = []
  const answer = (url: URL) => {
    expect(url.searchParams.get('prefix')).toBe('p/')
    const token = url.searchParams.get('continuation-token')
    asked.push(token)
    if (token === null) return page(['p/a', 'p/b'], 'to+ken/1=')
    return token === 'to+ken/1=' ? page([], 'token-2') : page(['p/c'])
  }
  await withAnswers(answer, async (port) => {
    const listed = await s3Blobs({ client: clientOf(port), bucket: 'blobs' }).list('p/')
    expect(listed).toEqual(['p/a', 'p/b', 'p/c'].map((key) => ({ key, size: 5 })))
  })
  expect(asked).toEqual([null, 'to+ken/1=', 'token-2'])
})

test.each([
  [503, 'SlowDown', 'store-throttled'],
  [500, 'InternalError', 'store-unavailable'],
  [403, 'AccessDenied', 'store-unavailable'],
  [404, 'NoSuchBucket', 'store-unavailable'],
])('an answer %i %s becomes %s that names operation and blob (protocol double)', async (status, name, code) => {
  const body = `<?xml version="1.0"?><Error><Code>${name}</Code><Message>no</Message></Error>`
  await withAnswers(
    () => ({ status, body }),
    async (port) => {
      const blobs = s3Blobs({ client: clientOf(port), bucket: 'blobs' })
      const refused = (operation: string) => ({
        code,
        message: expect.stringContaining(`the ${operation} of the blob a/b failed (${name}`),
      })
      await expect(blobs.get('a/b')).rejects.toMatchObject(refused('read'))
      await expect(blobs.getRange('a/b', 0, 1)).rejects.toMatchObject(refused('read'))
      await expect(blobs.put('a/b', 'x')).rejects.toMatchObject(refused('write'))
      await expect(blobs.list('a/b')).rejects.toMatchObject(refused('list'))
      await expect(blobs.delete('a/b')).rejects.toMatchObject(refused('delete'))
    },
  )
})

test('a body that breaks off is an error, never a short blob (protocol double)', async () => {
  await withAnswers(
    () => ({ status: 200, body: 'half', headers: { 'content-length': '8' } }),
    async (port) => {
      const blobs = s3Blobs({ client: clientOf(port), bucket: 'blobs' })
      await expect(blobs.get('a')).rejects.toMatchObject({ code: 'store-unavailable' })
    },
  )
})

test('an endpoint nobody listens on is store-unavailable', async () => {
  let closed = 0
  await withAnswers(
    () => ({ status: 200, body: '' }),
    async (port) => {
      closed = port
    },
  )
  const blobs = s3Blobs({ client: clientOf(closed), bucket: 'blobs' })
  await expect(blobs.get('a')).rejects.toMatchObject({
    code: 'store-unavailable',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})
