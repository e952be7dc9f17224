/** Upload sessions: POST, PATCH, GET, PUT and DELETE of `/v2/<name>/blobs/uploads/`. */
import { createHash, randomUUID } from 'node:crypto'
import { type Answer, RegistryProblem } from './answer.ts'
import { type Call, digestOf } from './call.ts'
import type { Sink } from './content.ts'
import type { RegistryStore } from './store.ts'

interface Session {
  id: string
  /** Stands in the query of every Location: a client that rebuilds the URL instead of following it is caught. */
  state: string
  repository: string
  sink: Sink
  hash: ReturnType<typeof createHash>
  size: number
  touchedAt: number
  /** One request at a time may write. */
  busy: boolean
}

/** More is a client that forgets to close; each session on disk holds a file descriptor. */
const SESSIONS_MAX = 1_000
/** A session nobody touched for so long is discarded at the next POST; registries keep theirs for hours to a week. */
const SESSION_IDLE_MS = 3_600_000
/** 10 GiB: the layer limit of the large public registries. */
const BLOB_BYTES_MAX = 10_737_418_240

export interface Uploads {
  start(call: Call): Promise<Answer>
  session(call: Call, id: string): Promise<Answer>
  /** Number of open sessions. */
  open(): number
  discardAll(): Promise<void>
}

export function uploadsOf(store: RegistryStore, now: () => number): Uploads {
  const sessions = new Map<string, Session>()

  const discard = async (session: Session) => {
    sessions.delete(session.id)
    await session.sink.discard()
  }

  const begin = async (repository: string): Promise<Session> => {
    for (const s of sessions.values()) if (!s.busy && now() - s.touchedAt > SESSION_IDLE_MS) await discard(s)
    if (sessions.size >= SESSIONS_MAX)
      throw new RegistryProblem('TOOMANYREQUESTS', `${sessions.size} uploads are open`, {
        headers: { 'retry-after': 1 },
      })
    const id = randomUUID()
    const session: Session = {
      id,
      state: randomUUID().slice(0, 8),
      repository,
      sink: store.content.begin(id),
      hash: createHash('sha256'),
      size: 0,
      touchedAt: now(),
      busy: false,
    }
    sessions.set(id, session)
    return session
  }

  /** Appends the body; what arrived before a cut is kept and told by GET. Throws RANGE_INVALID out of order. */
  const receive = async (call: Call, session: Session): Promise<void> => {
    if (session.busy)
      throw new RegistryProblem('BLOB_UPLOAD_INVALID', 'another request is writing to this upload', { status: 409 })
    checkRange(call, session)
    session.busy = true
    session.touchedAt = now()
    try {
      await pour(call, session)
    } finally {
      session.busy = false
    }
    if (!sessions.has(session.id)) throw unknown(session.id)
  }

  const close = async (call: Call, session: Session): Promise<Answer> => {
    const digest = digestOf(call.url.searchParams.get('digest') ?? '')
    await receive(call, session)
    sessions.delete(session.id)
    try {
      const got = digest.startsWith('sha256:')
        ? `sha256:${session.hash.digest('hex')}`
        : await session.sink.digest('sha512')
      if (got !== digest)
        throw new RegistryProblem('DIGEST_INVALID', 'the upload does not match its digest', {
          details: [{ expected: digest, got, size: session.size }],
        })
      await session.sink.commit(digest)
    } catch (error) {
      await session.sink.discard()
      throw error
    }
    store.linkBlob(session.repository, digest)
    return created(session.repository, digest)
  }

  return {
    open: () => sessions.size,
    discardAll: async () => {
      await Promise.all([...sessions.values()].map(discard))
    },
    async start(call) {
      if (call.method !== 'POST') throw new RegistryProblem('UNSUPPORTED', `an upload starts with POST`)
      const mount = call.url.searchParams.get('mount')
      const from = call.url.searchParams.get('from')
      // Without `from` there is nothing to look in: an upload is opened, as docker-registry does.
      if (mount !== null && from !== null && call.allows(`repository:${from}:pull`))
        if (store.hasBlob(from, digestOf(mount))) {
          store.linkBlob(call.repository, mount)
          return created(call.repository, mount)
        }
      const session = await begin(call.repository)
      return call.url.searchParams.has('digest') ? close(call, session) : accepted(session, 202)
    },
    async session(call, id) {
      const session = sessions.get(id)
      if (session?.repository !== call.repository || call.url.searchParams.get('_state') !== session.state)
        throw unknown(id)
      switch (call.method) {
        case 'GET':
          return accepted(session, 204)
        case 'PATCH':
          await receive(call, session)
          return accepted(session, 202)
        case 'PUT':
          return close(call, session)
        case 'DELETE':
          await discard(session)
          return { status: 204 }
        default:
          throw new RegistryProblem('UNSUPPORTED', `${call.method} is not possible on an upload`)
      }
    },
  }
}

const unknown = (id: string) =>
  new RegistryProblem('BLOB_UPLOAD_UNKNOWN', 'there is no such upload', { details: [{ id }] })

const created = (repository: string, digest: string): Answer => ({
  status: 201,
  headers: {
    location: `/v2/${repository}/blobs/${digest}`,
    'docker-content-digest': digest,
    'content-length': 0,
  },
})

const progressOf = (session: Session) => ({
  location: `/v2/${session.repository}/blobs/uploads/${session.id}?_state=${session.state}`,
  // Zero bytes and one byte look the same here; that is what docker-registry answers too.
  range: `0-${Math.max(0, session.size - 1)}`,
  'docker-upload-uuid': session.id,
})

const accepted = (session: Session, status: 202 | 204): Answer => ({
  status,
  headers: { ...progressOf(session), ...(status === 204 ? {} : { 'content-length': 0 }) },
})

/** A chunk that says where it belongs must belong at the end of what is there. */
function checkRange(call: Call, session: Session): void {
  const header = call.request.headers['content-range']
  if (header === undefined) return
  const match = /^(?:bytes )?(\d+)-(\d+)(?:\/(?:\d+|\*))?$/.exec(header)
  const length = call.request.headers['content-length']
  const [start, end] = [Number(match?.[1]), Number(match?.[2])]
  if (match && start === session.size && (length === undefined || end - start + 1 === Number(length))) return
  throw new RegistryProblem('RANGE_INVALID', `the next byte of this upload is ${session.size}, not "${header}"`, {
    headers: progressOf(session),
  })
}

/** The body into the sink, hashed on the fly, with back pressure. Rejects when the connection is cut. */
function pour(call: Call, session: Session): Promise<void> {
  const { request, fault } = call
  return new Promise((resolve, reject) => {
    if (request.destroyed) return reject(new Error('the connection was cut'))
    let received = 0
    request.on('data', (chunk: Buffer) => {
      // The rest of a blob that is too large is read and dropped, so that the client gets to see the answer.
      if (session.size > BLOB_BYTES_MAX) return
      const cut = fault?.cutUploadAfterBytes ?? Infinity
      const bytes = received + chunk.length > cut ? chunk.subarray(0, cut - received) : chunk
      received += bytes.length
      session.size += bytes.length
      session.hash.update(bytes)
      if (!session.sink.write(bytes)) {
        request.pause()
        session.sink.drained(() => request.resume())
      }
      if (session.size > BLOB_BYTES_MAX)
        reject(new RegistryProblem('SIZE_INVALID', `a blob has at most ${BLOB_BYTES_MAX} bytes`, { status: 413 }))
      if (received >= cut) request.destroy()
    })
    request.on('end', resolve)
    request.on('error', reject)
    request.on('close', () => reject(new Error('the connection was cut')))
  })
}
