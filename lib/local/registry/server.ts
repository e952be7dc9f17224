/** A small OCI distribution registry on node:http, for the local demo and for tests. Loopback only by default. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Answer, RegistryProblem } from './answer.ts'
import { type Auth, type AuthRequest, authOf, type RegistryCredentials } from './auth.ts'
import { bodyOf } from './call.ts'
import { type Fault, type Hooks, spoil } from './faults.ts'
import { route } from './routes.ts'
import { RegistryStore } from './store.ts'
import { type Uploads, uploadsOf } from './uploads.ts'

export interface RegistryOptions {
  /** Default 0: any free port. */
  port?: number
  /** Default 127.0.0.1. */
  host?: string
  /** Folder that survives a restart; without it everything is in memory. One process at a time. */
  dataDir?: string
  credentials?: RegistryCredentials
  /** For tests: what goes wrong, by request. */
  hooks?: Hooks
  /** Whether `GET referrers/` exists; docker-registry has none. Default true. */
  referrers?: boolean
  /** Milliseconds since the epoch, for the life of tokens and uploads. */
  now?: () => number
}

interface ServedRequest {
  method: string
  /** Path with query. */
  path: string
  /** 0: the connection ended without an answer. */
  status: number
  /** Scheme of the Authorization header, never its value. */
  authorization?: string
  range?: string
}

export interface RunningRegistry {
  /** `127.0.0.1:port`. */
  host: string
  /** `http://127.0.0.1:port`. */
  url: string
  /** Finished requests, oldest first, at most the last 10,000. Tests may empty it. */
  requests: ServedRequest[]
  store: RegistryStore
  /** Number of upload sessions that are neither closed nor cancelled. */
  openUploads(): number
  /** Ends every connection at once and discards unfinished uploads. May be called twice. */
  close(): Promise<void>
}

/** Enough to read a test back, small enough to forget about: some 2 MB. */
const REQUESTS_KEPT = 10_000
/** Form of a token request: a few fields. */
const FORM_BYTES_MAX = 16_384

/**
 * Starts a registry. Rejects with the error of `listen` (EADDRINUSE, EACCES) when the port cannot be had.
 *
 * @example const registry = await startRegistry({ credentials: { username: 'robot', password: 'pass' } })
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const now = options.now ?? Date.now
  const store = await RegistryStore.open(options.dataDir)
  const uploads = uploadsOf(store, now)
  const auth = authOf(options.credentials, now)
  const requests: ServedRequest[] = []
  const sockets = new Set<Socket>()
  const world: World = { store, uploads, auth, referrers: options.referrers ?? true }

  const server = createServer((request, response) => {
    const fault = options.hooks?.({
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
    })
    response.on('close', () => {
      requests.push(served(request, response))
      if (requests.length > REQUESTS_KEPT) requests.splice(0, requests.length - REQUESTS_KEPT)
    })
    // Only a fault that cannot be sent gets here, e.g. a header that is none; the client must not wait for ever.
    handle(world, request, response, fault).catch(() => request.socket.destroy())
  })
  // The default of 300 s would cut a large upload over a slow line.
  server.requestTimeout = 0
  // Longer than the idle time of common clients, so that they close first and never write into a closed connection.
  server.keepAliveTimeout = 75_000
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { address, port, family } = server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`

  let closing: Promise<void> | undefined
  const end = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
    await uploads.discardAll()
  }
  return {
    host,
    url: `http://${host}`,
    requests,
    store,
    openUploads: () => uploads.open(),
    close: () => (closing ??= end()),
  }
}

interface World {
  store: RegistryStore
  uploads: Uploads
  auth: Auth
  referrers: boolean
}

async function handle(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  // A client that goes away mid-request is daily business, not an error of the process.
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  if (fault?.holdUntil) await fault.holdUntil
  if (fault?.delayMs) await gone(response, fault.delayMs)
  // Whoever asked has gone meanwhile, or the registry is closing: an upload begun now would be left behind.
  if (request.socket.destroyed) return
  if (fault?.drop) return void request.socket.destroy()
  const answer =
    fault?.status === undefined
      ? await serve(world, request, fault)
      : { status: fault.status, headers: { 'content-length': Buffer.byteLength(fault.body ?? '') }, body: fault.body }
  if (answer === undefined || response.destroyed) return
  await send(answer, request, response, fault)
}

/** The answer, or `undefined` when the client went away while it was made. */
async function serve(world: World, request: IncomingMessage, fault: Fault | undefined): Promise<Answer | undefined> {
  try {
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`)
    const method = request.method ?? 'GET'
    const caller: AuthRequest = { method, url, authorization: request.headers.authorization }
    if (url.pathname === '/token') {
      if (method === 'POST') caller.form = new URLSearchParams((await bodyOf(request, FORM_BYTES_MAX)).toString('utf8'))
      return world.auth.token(caller)
    }
    return await route(world, caller, request, fault)
  } catch (error) {
    if (request.destroyed && !request.complete) return undefined
    if (error instanceof RegistryProblem) return error.answer()
    const message = error instanceof Error ? error.message : String(error)
    return new RegistryProblem('UNKNOWN', message).answer()
  }
}

async function send(
  whole: Answer,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  const { answer, isCut } = fault ? spoil(whole, fault) : { answer: whole, isCut: () => false }
  response.writeHead(answer.status, { 'docker-distribution-api-version': 'registry/2.0', ...answer.headers })
  if (request.method === 'HEAD') return void response.end()
  if (answer.body instanceof Readable)
    // A disk that fails in the middle can only be told by cutting the connection; pipeline does that.
    await pipeline(answer.body, response, { end: false }).catch(() => response.destroy())
  else if (answer.body !== undefined) response.write(answer.body)
  // What was written is flushed first: the client sees exactly these bytes, then the end of the connection.
  if (isCut()) request.socket.destroySoon()
  else response.end()
}

/** Resolves after the delay, or as soon as the client goes away. */
function gone(response: ServerResponse, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      response.off('close', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    response.on('close', done)
  })
}

function served(request: IncomingMessage, response: ServerResponse): ServedRequest {
  const scheme = request.headers.authorization?.split(' ')[0]
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    status: response.headersSent ? response.statusCode : 0,
    ...(scheme ? { authorization: scheme } : {}),
    ...(request.headers.range ? { range: request.headers.range } : {}),
  }
}
