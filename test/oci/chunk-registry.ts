/** A registry that is wrong in the ways real ones are: only uploads, HEAD and GET of blobs, each departure by an option. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { digestOf, type Scripted, serve } from './server.ts'

export interface Departures {
  /** ECR: 201 to a PATCH, `Range` of the first chunk for ever, 404 to a status, 416 with the true offset. */
  ecr?: boolean
  chunkBytesMin?: number
  /** zot before mid 2025 (regclient#961): the `Range` after a chunk is that of the chunk. */
  tellsChunksOnly?: boolean
  /** docker-registry 2.8.2: where a chunk says it belongs does not matter. */
  ignoresContentRange?: boolean
  /** The blob is read whole whatever `Range` asks. */
  ignoresRange?: boolean
  /** Asked before a request is served; true: it was answered. */
  before?: (request: IncomingMessage, response: ServerResponse, registry: ChunkRegistry) => boolean
  /** Where a PATCH sends the client next. */
  locationAfterPatch?: (own: string) => string
}

export class ChunkRegistry {
  server!: Scripted
  readonly blobs = new Map<string, Buffer>()
  readonly sessions = new Map<string, Buffer>()
  /** Bytes of bodies it read. */
  received = 0
  readonly #departures: Departures
  #opened = 0
  #firstChunk = 0

  constructor(departures: Departures) {
    this.#departures = departures
  }

  get host(): string {
    return this.server.host
  }

  /** `POST PATCH PATCH PUT`, without the paths. */
  get methods(): string {
    return this.server.seen.map(({ method }) => method).join(' ')
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { ecr, chunkBytesMin = 0, tellsChunksOnly, ignoresContentRange, locationAfterPatch } = this.#departures
    const url = new URL(request.url ?? '', this.server.url)
    const end = (status: number, headers: Record<string, string | number> = {}, body?: string | Buffer) =>
      response.writeHead(status, { 'content-length': body?.length ?? 0, ...headers }).end(body)
    const refuse = (status: number, code: string, message = '') =>
      end(status, { 'content-type': 'application/json' }, JSON.stringify({ errors: [{ code, message }] }))
    const [, id] = /\/uploads\/(\w+)$/.exec(url.pathname) ?? []
    const [, digest] = /\/blobs\/(sha256:\w+)$/.exec(url.pathname) ?? []

    if (digest) return this.#blob(request, response, digest)
    if (request.method === 'POST') {
      const name = `s${++this.#opened}`
      this.sessions.set(name, Buffer.alloc(0))
      return void end(202, {
        location: `/v2/a/blobs/uploads/${name}?_state=0`,
        ...(chunkBytesMin > 0 && { 'oci-chunk-min-length': chunkBytesMin }),
      })
    }
    const body = await read(request)
    this.received += body.length
    const session = this.sessions.get(id ?? '')
    if (!id || !session) return void refuse(404, 'BLOB_UPLOAD_UNKNOWN')
    const location = `/v2/a/blobs/uploads/${id}?_state=${session.length + body.length}`
    const range = (size: number) => ({ location, range: `0-${Math.max(0, size - 1)}` })
    if (request.method === 'DELETE') {
      this.sessions.delete(id)
      return void end(204)
    }
    if (request.method === 'GET')
      return void (ecr ? refuse(404, 'BLOB_UPLOAD_UNKNOWN') : end(204, range(session.length)))
    const from = Number(/^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1] ?? session.length)
    if (from !== session.length && !ignoresContentRange)
      return void refuse(
        416,
        'BLOB_UPLOAD_INVALID',
        ecr ? `First byte of the layer part is ${from} instead of ${session.length}` : 'out of order',
      )
    const whole = Buffer.concat([session, body])
    if (request.method === 'PATCH') {
      if (body.length < chunkBytesMin) return void refuse(416, 'SIZE_INVALID', 'the chunk is too small')
      this.sessions.set(id, whole)
      this.#firstChunk ||= whole.length
      const told = range(ecr ? this.#firstChunk : tellsChunksOnly ? body.length : whole.length)
      return void end(ecr ? 201 : 202, { ...told, location: locationAfterPatch?.(location) ?? location })
    }
    this.sessions.delete(id)
    const wanted = url.searchParams.get('digest') ?? ''
    if (digestOf(whole) !== wanted) return void refuse(400, 'DIGEST_INVALID')
    this.blobs.set(wanted, whole)
    end(201, { location: `/v2/a/blobs/${wanted}` })
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const blob = this.blobs.get(digest)
    if (!blob) return void response.writeHead(404, { 'content-length': 0 }).end()
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
    const start = from === undefined || this.#departures.ignoresRange ? 0 : Number(from)
    const part = blob.subarray(start)
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': part.length,
      ...(start > 0 && { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` }),
    })
    response.end(request.method === 'HEAD' ? undefined : part)
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#departures.before?.(request, response, this)) await this.answer(request, response).catch(() => {})
  }
}

/** Listens until the test is finished. */
export async function chunkRegistry(departures: Departures = {}): Promise<ChunkRegistry> {
  const registry = new ChunkRegistry(departures)
  registry.server = await serve((request, response) => void registry.handle(request, response))
  return registry
}

export async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
