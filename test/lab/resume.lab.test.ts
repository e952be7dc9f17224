/**
 * A replication that is longer than its function, over a line that is really narrow, into a real docker-registry, judged
 * by skopeo. Skipped unless the lab is there:
 *
 *   bash registries.sh /tmp/lab start && bash registries.sh /tmp/lab seed
 *   env LONGSHORE_LAB=1 $(bash registries.sh /tmp/lab env) npx vitest run test/lab/resume.lab.test.ts
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { systemClock } from '../../lib/clock.ts'
import { defaultLimits } from '../../lib/config.ts'
import { memoryEvents } from '../../lib/events/memory.ts'
import type { Json } from '../../lib/glossary.ts'
import { readJob } from '../../lib/job/apply.ts'
import { type Environment, silentLog } from '../../lib/job/environment.ts'
import { submit } from '../../lib/job/submit.ts'
import { typesOf } from '../../lib/job/types.ts'
import { work } from '../../lib/job/work.ts'
import { startRegistry } from '../../lib/local/registry/server.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import { systemRandom } from '../../lib/random.ts'
import { replicate } from '../../lib/replicate/job.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { digestOf } from '../oci/server.ts'
import { blobsOf, SOURCE, skipped, TARGET, tagged } from './lab.ts'
import type { Order, Told } from './replicate-process.ts'
import { type Line, throttledLine } from './throttle.ts'

const IMAGE = 'lab/single'
/** Such that 300 MB take three or four invocations. */
const BYTES_PER_SECOND = 25_000_000
const FUNCTION_SECONDS = 6

async function line(target = TARGET, slow: 'requests' | 'answers' = 'requests'): Promise<Line> {
  const made = await throttledLine(target, BYTES_PER_SECOND, slow)
  onTestFinished(() => made.close())
  return made
}

/** The registry of the demo, on a disk, in this process. */
async function embedded(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'longshore-registry-'))
  const running = await startRegistry({ dataDir })
  onTestFinished(async () => {
    await running.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return running.host
}

const sizeOf = async (): Promise<number> => [...(await blobsOf(SOURCE, IMAGE, '1')).values()].reduce((a, b) => a + b, 0)

/** skopeo pulls it, which checks every digest, and sees the same manifest. */
async function expectWhole(repository: string, target = TARGET): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-resume-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  expect(await skopeoDigest(`${target}/${repository}:1`)).toBe(await skopeoDigest(`${SOURCE}/${IMAGE}:1`))
  await skopeo(
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    '--src-no-creds',
    `docker://${target}/${repository}:1`,
    `dir:${folder}`,
  )
}

/** Not waited for synchronously: the registry it asks may live in this very process. */
const skopeo = async (...args: string[]) => (await promisify(execFile)('skopeo', args, { encoding: 'buffer' })).stdout
const skopeoDigest = async (image: string) =>
  digestOf(await skopeo('inspect', '--raw', '--tls-verify=false', '--no-creds', `docker://${image}`))

/** The production worker with ports in memory; every invocation has clients of its own. */
function longshore() {
  const queue = memoryQueue({ clock: systemClock, visibilityTimeoutSeconds: 60 })
  const env: Environment = {
    store: memoryStore(),
    queue,
    blobs: memoryBlobs(),
    events: memoryEvents(),
    clock: systemClock,
    random: systemRandom,
    limits: defaultLimits,
    types: typesOf([replicate]),
    log: silentLog,
    registries: () =>
      createOpenRegistry({
        find: async (host) => ({ host, insecure: true, allowPrivate: true }),
        ecrToken: () => Promise.reject(new Error('none')),
        limits: defaultLimits,
        clock: systemClock,
        random: systemRandom,
      }),
    workersDeadBefore: 0,
  }
  const job = async (id: string) => {
    const found = await readJob(env.store, 'main', id, Date.now())
    if (!found) throw new Error(`no job ${id}`)
    return found
  }
  return {
    job,
    accept: async (target: string, source = SOURCE) => {
      const params = { source: `${source}/${IMAGE}:1`, target }
      return (await submit({ tenant: 'main', type: 'replicate', params }, env)).job
    },
    /** One function: one message, so many seconds. */
    invoke: async () => {
      const [message] = await queue.receive('replicate', { max: 1, waitSeconds: 1 })
      if (!message) throw new Error('no message')
      const timeoutMs = FUNCTION_SECONDS * 1_000
      const until = Date.now() + timeoutMs
      const remainingMs = () => until - Date.now()
      await work(message, env, { requestId: randomUUID(), remainingMs, timeoutMs, stopFlags: new Map() })
      await queue.remove('replicate', message.receipt)
      expect(remainingMs()).toBeGreaterThan(0)
    },
  }
}

let folder = ''
const children = new Set<ChildProcess>()

beforeAll(async () => {
  if (skipped) return
  folder = mkdtempSync(join(tmpdir(), 'longshore-process-'))
  await build({
    entryPoints: [join(import.meta.dirname, 'replicate-process.ts')],
    outfile: join(folder, 'replicate.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    alias: { 'hash-wasm': 'hash-wasm/dist/sha256.umd.min.js' },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
    logLevel: 'warning',
  })
})
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  if (folder) rmSync(folder, { recursive: true, force: true })
})

/** One invocation in its own process. `record` is what a store would hold: one save a second, and the hand-over. */
function invocation(order: Order) {
  const child = spawn(process.execPath, [join(folder, 'replicate.mjs'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  let record = order.checkpoint
  let last: Told | undefined
  let writtenAt = Date.now()
  createInterface({ input: child.stdout! }).on('line', (text) => {
    last = JSON.parse(text) as Told
    const isDue = Date.now() - writtenAt >= 1_000
    if (last.kind === 'handedOver' || (last.kind === 'saved' && isDue)) {
      record = last.checkpoint
      writtenAt = Date.now()
    }
  })
  const ended = new Promise<{ record: Json | undefined; last: Told | undefined }>((resolve) => {
    child.once('close', () => {
      children.delete(child)
      resolve({ record, last })
    })
  })
  return { child, ended }
}

const uploadsOf = (checkpoint: Json | undefined) =>
  (checkpoint as { uploads?: { offset: number; restarts: number }[] } | undefined)?.uploads ?? []

describe.skipIf(skipped)(`a layer of 300 MB over a narrow line${skipped}`, () => {
  test.each([
    { side: 'to its target', slowSource: false },
    { side: 'from its source', slowSource: true },
  ])(
    '$side gets there in several invocations, every byte once, further with each',
    {
      timeout: 240_000,
    },
    async ({ slowSource }) => {
      // Both sides are counted, one of them is slow.
      const from = await (slowSource ? line(SOURCE, 'answers') : throttledLine(SOURCE, Number.POSITIVE_INFINITY))
      const to = await (slowSource ? throttledLine(TARGET, Number.POSITIVE_INFINITY) : line())
      onTestFinished(async () => void (await Promise.all(slowSource ? [to.close()] : [from.close()])))
      const service = longshore()
      const repository = `resume/${randomUUID().slice(0, 8)}`
      const { id } = await service.accept(`${to.host}/${repository}:1`, from.host)
      const seen: number[] = []
      for (;;) {
        await service.invoke()
        const { status, progress, error } = await service.job(id)
        if (status === 'error') throw new Error(error?.message)
        seen.push(progress?.bytes.done ?? 0)
        if (status === 'success') break
        expect(status).toBe('retrying')
        expect(await tagged(TARGET, repository, '1')).toBeUndefined()
      }
      const { hops = 0, failures, result } = await service.job(id)
      const size = await sizeOf()
      console.log(
        `${hops + 1} invocations, ${seen.join(' < ')}, ${(from.received() / size).toFixed(4)} of the bytes read, ${(to.sent() / size).toFixed(4)} written`,
      )
      expect(hops).toBeGreaterThanOrEqual(2)
      expect(failures).toBe(0)
      expect(new Set(seen).size).toBe(seen.length)
      expect([...seen].sort((a, b) => a - b)).toEqual(seen)
      // A fast source has sent ahead what no invocation has read when it hands over: what fits into the buffers of sockets.
      expect(from.received()).toBeLessThanOrEqual(size * (slowSource ? 1.05 : 1.25))
      expect(to.sent()).toBeLessThanOrEqual(size * 1.05)
      expect(result).toMatchObject({ blobs: { copied: 2 }, bytes: { copied: size } })
      await expectWhole(repository)
    },
  )

  test.each([
    // docker-registry forgets a session that is cut inside a chunk: that blob is begun anew.
    { name: 'docker-registry', start: async () => TARGET, most: 3 },
    { name: 'a registry that keeps what it got', start: embedded, most: 1.05 },
  ])('gets into $name though workers are killed in the middle', { timeout: 240_000 }, async ({ start, most }) => {
    const target = await start()
    const narrow = await line(target)
    const repository = `resume/${randomUUID().slice(0, 8)}`
    const digest = await skopeoDigest(`${SOURCE}/${IMAGE}:1`)
    let record: Json | undefined
    let runs = 0
    let peakMB = 0
    const restarts: number[] = []
    for (let result: Json | undefined; result === undefined; runs++) {
      if (runs > 20) throw new Error('it does not end')
      const { child, ended } = invocation({
        source: { registry: SOURCE, repository: IMAGE, digest },
        sourceText: `${SOURCE}/${IMAGE}:1`,
        target: `${narrow.host}/${repository}:1`,
        seconds: FUNCTION_SECONDS,
        ...(record !== undefined && { checkpoint: record }),
      })
      // The second and the third are killed at some byte, most likely in the middle of a chunk.
      if (runs === 1 || runs === 2) void narrow.reached(narrow.sent() + 31_234_567).then(() => child.kill('SIGKILL'))
      const end = await ended
      if (end.last?.kind === 'error') throw new Error(end.last.message)
      if (end.last?.kind === 'result') {
        result = end.last.result
        peakMB = end.last.peakMB
      }
      record = end.record
      restarts.push(...uploadsOf(record).map((upload) => upload.restarts))
    }
    const size = await sizeOf()
    console.log(
      `${runs} processes, 2 killed, restarts ${restarts.join(' ')}, ${(narrow.sent() / size).toFixed(2)} of the bytes, ${peakMB} MB`,
    )
    await expectWhole(repository, target)
    expect(narrow.sent()).toBeLessThanOrEqual(size * most)
    // Flat: node alone has 50 to 80 MB, and the layer 300.
    expect(peakMB).toBeLessThan(200)
  })
})
