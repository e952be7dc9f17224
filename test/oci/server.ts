/** Scripted HTTP servers for the tests of net, oci and replicate: each test says what the registry answers. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Clock, Random } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { Client } from '../../lib/oci/client.ts'
import type { Credentials, Manifest, Registry } from '../../lib/oci/types.ts'
import { MEDIA_TYPES } from '../../lib/oci/types.ts'

export interface SeenRequest {
  method: string
  path: string
  headers: IncomingMessage['headers']
}

export interface Scripted {
  host: string
  port: number
  url: string
  seen: SeenRequest[]
  /** Sockets ever accepted. */
  connections: () => number
  server: Server
}

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** Listens on 127.0.0.1 until the test is finished. The handler gets the number of the request, from 1. */
export async function serve(handler: Handler, tls?: { key: string; cert: string }): Promise<Scripted> {
  const seen: SeenRequest[] = []
  const listener: RequestListener = (request, response) => {
    seen.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers })
    handler(request, response, seen.length)
  }
  const server: Server = tls ? createTlsServer(tls, listener) : createServer(listener)
  let connections = 0
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const host = `127.0.0.1:${port}`
  return { host, port, url: `${tls ? 'https' : 'http'}://${host}`, seen, connections: () => connections, server }
}

/** Time that only moves when somebody sleeps; remembers the naps. */
export function virtualClock(start = 1_700_000_000_000): Clock & { naps: number[] } {
  let now = start
  const naps: number[] = []
  return {
    naps,
    now: () => now,
    sleep: async (ms) => {
      naps.push(ms)
      now += ms
    },
  }
}

export const fixedRandom: Random = { next: () => 0.5, bytes: (count) => new Uint8Array(count) }

export const testLimits: Limits = { ...defaultLimits, registryConnectTimeoutMs: 2_000 }

export interface ClientOptions {
  credentials?: Credentials
  limits?: Partial<Limits>
  clock?: Clock
  registry?: Partial<Registry>
}

/** A client of a scripted server; its idle sockets are ended with the test. */
export function clientOf(host: string, options: ClientOptions = {}): Client {
  const registry: Registry = {
    host,
    insecure: true,
    allowPrivate: true,
    ...(options.credentials && { credentials: options.credentials }),
    ...options.registry,
  }
  const client = new Client(registry, {
    limits: { ...testLimits, ...options.limits },
    clock: options.clock ?? virtualClock(),
    random: fixedRandom,
    ecrToken: async () => {
      throw new Error('no ECR in this test')
    },
  })
  onTestFinished(() => client.close())
  return client
}

export const digestOf = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A small valid image manifest as a registry would store it. */
export function imageManifest(label = 'one'): Manifest {
  const empty = { digest: digestOf('{}'), size: 2 }
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, ...empty },
      layers: [],
      annotations: { label },
    }),
  )
  return { digest: digestOf(bytes), mediaType: MEDIA_TYPES.ociManifest, size: bytes.length, bytes }
}

/** Answers a manifest request as a registry does. */
export function answerManifest(response: ServerResponse, manifest: Manifest, headers: Record<string, string> = {}) {
  response.writeHead(200, {
    'content-type': manifest.mediaType,
    'content-length': manifest.size,
    'docker-content-digest': manifest.digest,
    ...headers,
  })
  response.end(response.req.method === 'HEAD' ? undefined : manifest.bytes)
}

/** The error of a promise that must be rejected. */
export async function failure(promise: Promise<unknown>): Promise<Error & { code?: string; retryAfterMs?: number }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it should have failed')
}
