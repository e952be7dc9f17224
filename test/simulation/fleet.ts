/** Histories on all cores: threads take turns at the seeds. */
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { emptySummary, joined, type Share, type Summary } from './summary.ts'

export interface FleetOptions {
  path: string
  from: number
  seeds: number
  threads: number
  stopAtFirst?: boolean
  trace?: boolean
  /** Told about every two seconds by each thread. */
  progress?: (summary: Summary) => void
}

export async function runFleet(options: FleetOptions): Promise<Summary> {
  // Every thread compiles the protocol for itself, and most of that time goes into what is inlined (920 when absent).
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=300')
  const threads = Math.max(1, Math.min(options.threads, options.seeds))
  const began = process.cpuUsage()
  const beganAt = performance.now()
  const latest = new Array<Summary>(threads).fill(emptySummary())
  const runs = latest.map(
    (_, thread) =>
      new Promise<void>((resolve, reject) => {
        const share: Share = {
          from: options.from + thread,
          to: options.from + options.seeds,
          step: threads,
          stopAtFirst: options.stopAtFirst ?? false,
          trace: options.trace ?? false,
        }
        const worker = new Worker(options.path, {
          workerData: { simulatorShare: share },
          // Everything a history makes is garbage soon after it.
          resourceLimits: { maxYoungGenerationSizeMb: 64 },
          execArgv: [],
        })
        worker.on('message', ({ last, ...summary }: Summary & { last: boolean }) => {
          latest[thread] = summary
          options.progress?.(joined(latest))
          if (last) resolve()
        })
        worker.on('error', reject)
        worker.on('exit', (code) => reject(new Error(`a thread of the simulator ended with ${code}`)))
      }),
  )
  await Promise.all(runs)
  const { user, system } = process.cpuUsage(began)
  // The process may do other things meanwhile; its threads cannot have used more than they had.
  const cpuMs = Math.min((user + system) / 1000, threads * (performance.now() - beganAt))
  return { ...joined(latest), cpuMs }
}

/** One history in this thread, by a bundle; the worker's code without a worker. Undefined: nothing was found. */
export async function violationOf(path: string, seed: number): Promise<Summary['violations'][number] | undefined> {
  const { runShare } = (await import(pathToFileURL(path).href)) as typeof import('./worker.ts')
  let summary = emptySummary()
  await runShare({ from: seed, to: seed + 1, step: 1 }, (so) => {
    summary = so
  })
  return summary.violations[0]
}
