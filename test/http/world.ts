/**
 * The whole API in one process, driven by requests: the real job types, the real registry client against embedded
 * registries, ports in memory. A pump stands in for Lambda's event source. Everything that is written, sent, logged or
 * answered is kept, so that a test can say that something was nowhere to be found.
 */
import { expect, onTestFinished } from 'vitest'
import { buildRevision } from '../../lib/advisories/index.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { BlobStore } from '../../lib/blobs/port.ts'
import { systemClock } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { memoryEvents } from '../../lib/events/memory.ts'
import { createApi } from '../../lib/http/api.ts'
import type { ApiEnvironment } from '../../lib/http/server.ts'
import type { Invocation, OperatorLog } from '../../lib/job/environment.ts'
import { fanOut } from '../../lib/job/fan-out.ts'
import { RE_EVALUATE } from '../../lib/job/message.ts'
import { typesOf } from '../../lib/job/types.ts'
import { work } from '../../lib/job/work.ts'
import { type BuiltImage, type BuiltIndex, image, layer } from '../../lib/local/demo/build.ts'
import { push } from '../../lib/local/demo/push.ts'
import { type RegistryOptions, startRegistry } from '../../lib/local/registry/server.ts'
import { type RegistryInput, registryObjects } from '../../lib/oci/objects.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import type { Queue, QueueConsumer, QueueSetup } from '../../lib/queue/port.ts'
import { replicate } from '../../lib/replicate/job.ts'
import { scan } from '../../lib/scan/job.ts'
import { reEvaluate } from '../../lib/scan/re-evaluate/images.ts'
import { tick } from '../../lib/scan/re-evaluate/tick.ts'
import { memorySecrets } from '../../lib/secrets/memory.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'
import { dump, dumps, record } from '../advisories/dumps.ts'
import { seededRandom } from '../job/world.ts'
import { virtualClock } from '../queue/virtual-clock.ts'

export const START = Date.UTC(2026, 10, 22, 12)
const TIMEOUT_MS = 300_000
const jobTypes = typesOf([scan, replicate])

const QUEUES = ['fan-out', RE_EVALUATE, ...[...jobTypes.keys()].flatMap((type) => [type, `${type}-bulk`])]

const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'

/** A Debian with one vulnerable package, one vulnerable node package above it. */
export const BASE = layer([
  { path: 'etc/os-release', content: 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' },
  {
    path: 'var/lib/dpkg/status',
    content:
      'Package: libssl3\nStatus: install ok installed\nVersion: 3.0.11-1\nArchitecture: amd64\nSource: openssl\n',
  },
])
export const nodeLayer = (name: string, version: string) =>
  layer([{ path: `app/node_modules/${name}/package.json`, content: JSON.stringify({ name, version }) }])
export const appImage = (version = '1.0.0'): BuiltImage => image({ layers: [BASE, nodeLayer('left', version)] })

export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape; expect() is their type check.
  json: any
}

export interface WorldOptions {
  limits?: Partial<Limits>
  source?: RegistryOptions
  target?: RegistryOptions
  /** As LONGSHORE_REGISTRIES has them, beside the two embedded ones. */
  fixed?: RegistryInput[]
  /** Whether the embedded registries are allowed from the start; default true. */
  allowed?: boolean
}

export async function apiWorld(options: WorldOptions = {}) {
  const clock = virtualClock(START)
  const source = await startRegistry(options.source)
  const target = await startRegistry(options.target)
  // Waits between repetitions are real time here, since sockets are; they are made short.
  const limits = { ...defaultLimits, registryRetryBaseMs: 1, registryConnectTimeoutMs: 2_000, ...options.limits }
  const kept: string[] = []
  const writes: string[] = []
  const sent: string[] = []
  const store = recordedStore(memoryStore(), writes)
  const queue = recordedQueue(memoryQueue({ clock, visibilityTimeoutSeconds: 1_800 }), sent)
  const blobs = recordedBlobs(memoryBlobs(), kept)
  const secrets = memorySecrets()
  const events = memoryEvents()
  const own = [source, target].map(({ host }) => ({ host, insecure: true, allowPrivate: true }))
  const fixed = [...(options.allowed === false ? [] : own), ...(options.fixed ?? [])]
  const objects = registryObjects({ store, secrets, fixed })
  const open = (tenant: string) =>
    createOpenRegistry({
      find: (host) => objects.find(tenant, host),
      ecrToken: async () => {
        throw new Error('no ECR here')
      },
      limits,
      clock: systemClock,
      random: seededRandom(2),
    })
  // As in the function: the API keeps its clients, a worker opens its own.
  const apiClients = open('main')
  const line = (message: string, fields?: object) => void kept.push(`log ${message} ${JSON.stringify(fields ?? {})}`)
  const log: OperatorLog = { info: line, warn: line, error: line }
  const env: ApiEnvironment = {
    store,
    queue,
    blobs,
    events,
    clock,
    random: seededRandom(1),
    limits,
    types: jobTypes,
    log,
    registries: () => apiClients,
    workersDeadBefore: 0,
    objects,
    defaultRegistry: source.host,
    version: '0.0.0-test',
    tenantOf: () => 'main',
  }
  const worker = { ...env, registries: open }
  const app = createApi(env)
  onTestFinished(async () => {
    apiClients.close()
    await source.close()
    await target.close()
  })

  let requests = 0
  const invocation = (): Invocation => {
    const until = clock.now() + TIMEOUT_MS
    return {
      requestId: `request-${++requests}`,
      remainingMs: () => until - clock.now(),
      timeoutMs: TIMEOUT_MS,
      stopFlags: new Map(),
    }
  }

  /** One request. An object is sent as JSON, a text as it is. */
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const response = await app.request(path, {
      method,
      headers: { ...(content === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(content === undefined ? {} : { body: content }),
    })
    const text = await response.text()
    kept.push(`answer ${text} ${JSON.stringify([...response.headers])}`)
    const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
  }

  /** Delivers what is visible, queue after queue, until nothing is. */
  const deliver = async (): Promise<void> => {
    for (let found = true; found; ) {
      found = false
      for (const name of QUEUES) {
        const [message] = await queue.receive(name, { max: 1, waitSeconds: 0 })
        if (!message) continue
        found = true
        const verdict =
          name === 'fan-out'
            ? await fanOut(message.body, worker, invocation())
            : name === RE_EVALUATE
              ? await reEvaluate(message.body, worker, invocation())
              : await work(message, worker, invocation())
        if (verdict === 'acknowledge') await queue.remove(name, message.receipt)
      }
    }
  }

  return {
    app,
    env,
    clock,
    source,
    target,
    secrets,
    events,
    /** Writes to the store and messages sent, as text. */
    writes,
    sent,
    /** All of it: writes, messages, blobs, log lines, answers, events. */
    everything: () => [...writes, ...sent, ...kept, JSON.stringify(events.received)].join('\n'),
    call,
    get: (path: string, headers?: Record<string, string>) => call('GET', path, undefined, headers),
    post: (path: string, body?: unknown, headers?: Record<string, string>) => call('POST', path, body, headers),
    deliver,
    /** Pushes to the source registry. */
    push: (built: BuiltImage | BuiltIndex, tag = '1.0', repository = 'team/app') =>
      push(source.url, repository, tag, built),
    /** `left` is fixed in this version. */
    async publishAdvisories(left = '2.0.0') {
      using dir = dumps({
        Debian: dump(
          record('DEBIAN-CVE-2024-1', 'Debian:12', 'openssl', '3.0.14-1', {
            severity: [{ type: 'CVSS_V3', score: CRITICAL }],
          }),
        ),
        npm: dump(record('GHSA-aaaa-bbbb-cccc', 'npm', 'left', left)),
      })
      return await buildRevision({ source: dir.source(), blobs, limits: defaultLimits })
    },
    /** A scan of this image, or a body of its own; the id of the accepted job. */
    async submit(body: string | object, headers?: Record<string, string>): Promise<string> {
      const request = typeof body === 'string' ? { type: 'scan', params: { image: body } } : body
      const answer = await call('POST', '/v1/jobs', request, headers)
      expect(answer.status, answer.text).toBe(202)
      return answer.json.id
    },
    /** The minute tick of re-evaluation. */
    reEvaluate: () => tick(worker, invocation()),
    /** Delivers and lets time pass until the job has ended; then the job. */
    async end(id: string) {
      for (let round = 0; round < 20; round++) {
        await deliver()
        const { json } = await call('GET', `/v1/jobs/${id}`)
        if (json.finishedAt) return json
        await clock.advance(3_600_000)
      }
      throw new Error(`job ${id} does not end`)
    },
  }
}

export type ApiWorld = Awaited<ReturnType<typeof apiWorld>>

/** The answer is a whole problem of this status and code, and names this field. */
export function expectProblem(answer: Answer, status: number, code: string, pointer?: string): void {
  expect({ status: answer.status, type: answer.json?.type?.split('/').at(-1) }, answer.text).toEqual({
    status,
    type: code,
  })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const { title, detail, retryable, errors = [], ...rest } = answer.json
  expect(Object.keys(rest).sort()).toEqual(['status', 'type'])
  expect(rest.status).toBe(status)
  expect(typeof title === 'string' && title.length > 5).toBe(true)
  expect(typeof detail === 'string' && detail.length > 10, answer.text).toBe(true)
  expect(retryable).toBeTypeOf('boolean')
  // What zod says when nobody told it better, and what a crash says.
  expect(answer.text).not.toMatch(/Invalid input|Too (big|small)|expected .* received|undefined|\[object/)
  for (const error of errors) expect(error).toEqual({ pointer: expect.any(String), detail: expect.any(String) })
  if (pointer !== undefined) expect(errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
}

function recordedStore(inner: Store, writes: string[]): Store {
  return {
    ...inner,
    put: (item, condition) => {
      writes.push(`put ${JSON.stringify(item)}`)
      return inner.put(item, condition)
    },
    update: (key, change, condition) => {
      writes.push(`update ${JSON.stringify([key, change])}`)
      return inner.update(key, change, condition)
    },
    delete: (key, condition) => {
      writes.push(`delete ${JSON.stringify(key)}`)
      return inner.delete(key, condition)
    },
  }
}

function recordedQueue(inner: Queue & QueueConsumer & QueueSetup, sent: string[]): typeof inner {
  return {
    ...inner,
    send: (queue, messages) => {
      sent.push(...messages.map((message) => `${queue} ${JSON.stringify(message)}`))
      return inner.send(queue, messages)
    },
  }
}

function recordedBlobs(inner: BlobStore, kept: string[]): BlobStore {
  return {
    ...inner,
    put: (key, content, options) => {
      kept.push(`blob ${key} ${typeof content === 'string' ? content : Buffer.from(content).toString('latin1')}`)
      return inner.put(key, content, options)
    },
  }
}
