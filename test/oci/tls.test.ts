import { describe, expect, test } from 'vitest'
import { selfSigned } from './certificate.ts'
import { answerManifest, clientOf, digestOf, failure, imageManifest, serve } from './server.ts'

const manifest = imageManifest()

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
