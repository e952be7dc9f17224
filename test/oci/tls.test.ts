import { type AddressInfo, createServer, type Server } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../lib/secrets/port.ts'
import { selfSigned } from './certificate.ts'
import { answerManifest, clientOf, digestOf, failure, imageManifest, serve } from './server.ts'

const manifest = imageManifest()

/** One port whose connections are handed on by their first byte. */
async function onePort(serverOf: (first: number) => Server): Promise<string> {
  const front = createServer((socket) =>
    socket.once('readable', () => {
      const bytes: Buffer | null = socket.read()
      if (!bytes) return
      socket.unshift(bytes)
      serverOf(bytes[0] as number).emit('connection', socket)
    }),
  )
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void front.close())
  return `127.0.0.1:${(front.address() as AddressInfo).port}`
}

describe('https', () => {
  test('with an unknown certificate is refused with a sentence, unless the registry is insecure', async () => {
    const server = await serve((_, response) => answerManifest(response, manifest), selfSigned)
    const error = await failure(clientOf(server.host, { registry: { insecure: false } }).resolve('a', '1'))
    expect(error.code).toBe('registry-unavailable')
    expect(error.message).toContain('certificate that is not trusted')
    expect(server.seen).toHaveLength(0)
    expect((await clientOf(server.host).resolve('a', '1'))?.digest).toBe(manifest.digest)
  })

  test('of an insecure registry is found once and remembered', async () => {
    const server = await serve((_, response) => answerManifest(response, manifest), selfSigned)
    const client = clientOf(server.host)
    await client.resolve('a', '1')
    const connections = server.connections()
    await client.resolve('a', '1')
    await client.manifest('a', '1')
    expect(server.connections()).toBe(connections)
    expect(client.counts.requests).toBe(4)
  })

  test('is learned from a redirect of its own host, so that credentials are used and uploads go there', async () => {
    const secure = await serve((request, response) => {
      if (!request.headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic realm="harbor"' }).end()
      else if (request.method === 'PUT') response.writeHead(201).end()
      else answerManifest(response, manifest)
    }, selfSigned)
    // Harbor's port 80; here both are one port, and a TLS greeting begins with 22.
    const plain = await serve((request, response) =>
      response.writeHead(308, { location: `https://${host}${request.url}` }).end(),
    )
    const host = await onePort((first) => (first === 22 ? secure.server : plain.server))
    const credentials = { type: 'basic' as const, username: 'robot', password: new Secret('canary-308') }
    const client = clientOf(host, { credentials })
    expect((await client.resolve('a', '1'))?.digest).toBe(manifest.digest)
    await client.putManifest('a', '1', manifest)
    expect(plain.seen.map(({ method, headers }) => [method, headers.authorization])).toEqual([['HEAD', undefined]])
  })

  test('never redirects to http, and a redirect to another host is verified though the registry is insecure', async () => {
    const plain = await serve((_, response) => response.end('x'))
    const server = await serve(
      (request, response) =>
        response
          .writeHead(307, {
            location: request.url?.endsWith('/manifests/1') ? `${plain.url}/x` : `https://localhost:${port()}/x`,
          })
          .end(),
      selfSigned,
    )
    const port = () => server.port
    const blob = { mediaType: 'x', digest: digestOf('x'), size: 1 }
    const downgrade = await failure(clientOf(server.host).manifest('a', '1'))
    expect(downgrade.code).toBe('registry-invalid')
    expect(downgrade.message).toContain('from https to http')
    expect(plain.connections()).toBe(0)
    const elsewhere = await failure(clientOf(server.host).blobBytes('a', blob))
    expect(elsewhere.message).toContain('certificate that is not trusted')
  })
})
