/** Replications that are longer than a function: chunks, checkpoints, and what is left at the target. */
import { describe, expect, test } from 'vitest'
import type { Json } from '../../lib/glossary.ts'
import type { JobContext, Progress } from '../../lib/job/define.ts'
import type { RunningRegistry } from '../../lib/local/registry/server.ts'
import { runReplicate } from '../../lib/replicate/job.ts'
import { clientOf, failure } from '../oci/server.ts'
import { HandedOver, limits, pushImage, registry, runOf } from './run.ts'

const LAYER_BYTES = 600_000
const layer = (letter: string) => letter.repeat(LAYER_BYTES)
/** Bytes per second of "the run before": too few for a layer, enough for chunks of 64 KiB. */
const SLOW: Json = { rate: 200_000 }
const small = { ...limits, uploadChunkBytesMax: 65_536, uploadChunkBytesMin: 65_536, blobsInParallelMax: 2 }

const patches = ({ requests }: RunningRegistry) =>
  requests.filter(({ method, status }) => method === 'PATCH' && status === 202).length
const uploads = (checkpoint: Json | undefined) =>
  ((checkpoint as { uploads?: { offset: number }[] })?.uploads ?? []).map(({ offset }) => offset)

async function world(layers = [layer('a')]) {
  const [from, to] = [await registry(), await registry()]
  const image = await pushImage(from.host, 'a', '1', layers)
  const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1` }
  const seen: Progress[] = []
  /** One invocation; its time is used when the target has taken so many more chunks. */
  const run = async (chunks: number, checkpoint: Json | undefined, more: Partial<JobContext> = {}) => {
    const until = patches(to) + chunks
    const progress = { items: { done: 0, failed: 0, skipped: 0, total: 0 }, bytes: { done: 0, total: 0 } }
    const { context, log } = runOf(from.host, 'a', image.digest, {
      limits: small,
      checkpoint,
      remainingMs: () => (patches(to) >= until ? 0 : 2_000),
      progress: (update) => {
        Object.assign(progress.items, update.items)
        Object.assign(progress.bytes, update.bytes)
      },
      ...more,
    })
    try {
      return { result: (await runReplicate(params, context)).result, log }
    } catch (error) {
      if (!(error instanceof HandedOver)) throw error
      return { checkpoint: error.checkpoint, log }
    } finally {
      seen.push(progress)
    }
  }
  return { from, to, image, run, seen }
}

describe('a replication that is longer than a function', () => {
  test('goes on inside a blob, moves each byte once, and grows with every run (fault 16)', async () => {
    const { to, image, run, seen } = await world()
    let checkpoint: Json | undefined = SLOW
    let result: Json | undefined
    let runs = 0
    for (; result === undefined; runs++) {
      const end = await run(3, checkpoint)
      checkpoint = end.checkpoint
      result = end.result
      if (result === undefined) expect(uploads(checkpoint)[0]).toBeGreaterThan(0)
      expect(await clientOf(to.host).resolve('a', '1')).toMatchObject(result ? { digest: image.digest } : {})
      if (runs > 20) throw new Error('it does not end')
    }
    expect(runs).toBeGreaterThanOrEqual(3)
    for (const [n, { bytes }] of seen.entries()) if (n > 0) expect(bytes.done).toBeGreaterThan(seen[n - 1]!.bytes.done)
    expect(result).toMatchObject({ blobs: { copied: 2, present: 0 }, bytes: { skipped: 0 } })
    expect(to.openUploads()).toBe(0)
    const counted = result as { requests: { target: number } }
    // All that the target saw, but for our own look at the tag after each run.
    expect(counted.requests.target).toBe(to.requests.length - runs)
  })

  test('goes on with several blobs at once', async () => {
    const { to, run } = await world([layer('a'), layer('b'), layer('c')])
    const first = await run(6, SLOW)
    expect(uploads(first.checkpoint).length).toBeGreaterThanOrEqual(2)
    expect(to.openUploads()).toBe(uploads(first.checkpoint).length)
    const second = await run(Infinity, first.checkpoint)
    expect(second.result).toMatchObject({ blobs: { copied: 4 } })
    expect(to.openUploads()).toBe(0)
  })

  test('saves where it stands after every chunk: a killed run loses what came after', async () => {
    const { to, image, run } = await world()
    const saved: Json[] = []
    await run(5, SLOW, { save: (checkpoint) => saved.push(structuredClone(checkpoint)) })
    const offsets = saved.flatMap(uploads)
    expect(offsets.length).toBeGreaterThanOrEqual(5)
    expect([...offsets].sort((a, b) => a - b)).toEqual(offsets)
    // Killed before the last save was written: the registry is ahead of the checkpoint.
    const older = saved.find((checkpoint) => uploads(checkpoint)[0] === 65_536)
    const { result } = await run(Infinity, older)
    expect(result).toMatchObject({ target: { digest: image.digest } })
    expect(to.openUploads()).toBe(0)
    // What the registry had beyond the checkpoint was not sent again.
    expect(patches(to)).toBeLessThanOrEqual(Math.ceil(LAYER_BYTES / 65_536))
  })

  test('that is stopped gives its sessions up, those of the checkpoint too', async () => {
    const { to, run } = await world([layer('a'), layer('b')])
    const { checkpoint } = await run(4, SLOW)
    expect(to.openUploads()).toBe(2)
    const stop = new AbortController()
    stop.abort(new Error('stopped'))
    const stopped = run(4, checkpoint, { signal: stop.signal, isStopped: () => true })
    expect((await failure(stopped)).message).toBe('stopped')
    expect(to.openUploads()).toBe(0)
  })

  test('that lost its lease leaves them to its successor', async () => {
    const { to, run } = await world()
    const { checkpoint } = await run(4, SLOW)
    const fenced = new AbortController()
    fenced.abort(new Error('fenced'))
    expect((await failure(run(4, checkpoint, { signal: fenced.signal }))).message).toBe('fenced')
    expect(to.openUploads()).toBe(1)
    expect((await run(Infinity, checkpoint)).result).toMatchObject({ blobs: { copied: 2 } })
  })

  test('gives a session up when the blob got there by another way', async () => {
    const { from, to, image, run } = await world()
    const { checkpoint } = await run(2, SLOW)
    const { context } = runOf(from.host, 'a', image.digest)
    await runReplicate({ source: `${from.host}/a:1`, target: `${to.host}/a:2` }, context)
    const { result } = await run(Infinity, checkpoint)
    expect(result).toMatchObject({ blobs: { copied: 1 } })
    expect(to.openUploads()).toBe(0)
  })

  test('is one PUT per blob when there is time', async () => {
    const { to, run } = await world()
    const { result } = await run(Infinity, undefined, { remainingMs: () => 600_000 })
    expect(result).toMatchObject({ blobs: { copied: 2 } })
    expect(patches(to)).toBe(0)
  })

  test('ends when three runs in a row bring nothing', async () => {
    const { to, run } = await world()
    let { checkpoint } = await run(2, SLOW)
    const before = uploads(checkpoint)
    for (let turn = 0; turn < 2; turn++) ({ checkpoint } = await run(0, checkpoint))
    expect(uploads(checkpoint)).toEqual(before)
    expect((await failure(run(0, checkpoint))).code).toBe('no-progress')
    expect(to.openUploads()).toBe(0)
  })
})
