/** Inputs on all cores, and an eye on what no test can catch by itself: an input that takes for ever, or all memory. */
import { Worker } from 'node:worker_threads'
import type { Found, Share, Told, Tried } from './worker.ts'

/** The slowest honest input takes 50 ms; thirty seconds are no noise of a busy machine. */
const INPUT_MS_MAX = 30_000
/** Of one thread: inputs have half a megabyte, limits allow some tens. */
const HEAP_MB_MAX = 512

export interface FuzzOptions {
  /** The bundled worker. */
  path: string
  from: number
  inputs: number
  threads: number
  /** After so long no further input is begun. */
  secondsMax: number
  only?: string
  progress?: (so: FuzzSummary) => void
}

export interface FuzzSummary {
  inputs: number
  tried: Tried
  found: Found[]
}

export async function fuzz(options: FuzzOptions): Promise<FuzzSummary> {
  const threads = Math.max(1, Math.min(options.threads, options.inputs))
  const latest: Told[] = Array.from({ length: threads }, () => ({ tried: {}, found: [], last: false }))
  await Promise.all(
    latest.map(async (_, thread) => {
      const found = await runThread(options, thread, threads, (told) => {
        latest[thread] = told
        options.progress?.(joined(latest))
      })
      if (found) latest[thread]!.found.push(found)
    }),
  )
  return joined(latest)
}

/** Resolves when the thread is through, with what ended it before. */
function runThread(options: FuzzOptions, thread: number, threads: number, tell: (told: Told) => void) {
  return new Promise<Found | undefined>((resolve) => {
    const place = new Float64Array(new SharedArrayBuffer(8))
    const share: Share = {
      from: options.from + thread,
      to: options.from + options.inputs,
      step: threads,
      place,
      secondsMax: options.secondsMax,
      ...(options.only ? { only: options.only } : {}),
    }
    const worker = new Worker(options.path, {
      workerData: { fuzzShare: share },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
      execArgv: [],
    })
    let seen = -1
    let since = performance.now()
    const end = (text?: string) => {
      clearInterval(watch)
      resolve(text === undefined ? undefined : { seed: place[0]!, target: options.only ?? 'see the seed', text })
    }
    const watch = setInterval(() => {
      if (place[0] !== seen) {
        seen = place[0]!
        since = performance.now()
      } else if (performance.now() - since > INPUT_MS_MAX) {
        end(`took more than ${INPUT_MS_MAX / 1_000} s`)
        void worker.terminate()
      }
    }, 500)
    worker.on('message', (told: Told) => {
      tell(told)
      if (told.last) end()
    })
    worker.on('error', (error) => end(`ended its thread: ${error.message}`))
    worker.on('exit', (code) => end(code === 0 ? undefined : `ended its thread with ${code}`))
  })
}

function joined(parts: readonly Told[]): FuzzSummary {
  const tried: Tried = {}
  for (const part of parts)
    for (const [name, count] of Object.entries(part.tried)) tried[name] = (tried[name] ?? 0) + count
  const found = parts.flatMap((part) => part.found).sort((a, b) => a.seed - b.seed)
  return { inputs: Object.values(tried).reduce((sum, count) => sum + count, 0), tried, found }
}
