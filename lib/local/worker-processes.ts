/**
 * The worker pools in processes of their own: more cores for those who have them, and something to kill for those who
 * want to see what happens then. A process that dies is started again; what it held is the case of its lease.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { WorkerProcessWork } from './worker-process.ts'

export interface WorkerProcesses {
  /** Lets them end their runs for at most `graceMs`; none is left when this resolves. */
  stop(graceMs: number): Promise<void>
}

export interface WorkerProcessOptions {
  script: string
  /** Variables of the functions, on top of this process' own. */
  environment: Record<string, string>
  work: WorkerProcessWork
}

/** A process that dies at once each time must not become a busy loop. */
const AGAIN_MS = 500

export function startWorkerProcesses(count: number, options: WorkerProcessOptions): WorkerProcesses {
  const children = new Set<ChildProcess>()
  const timers = new Set<NodeJS.Timeout>()
  let stopped = false

  const startOne = (index: number) => {
    if (stopped) return
    // The channel is also the leash: when this process is gone, however it went, the child sees it close and ends.
    const child = fork(options.script, {
      env: { ...process.env, ...options.environment },
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    children.add(child)
    child.on('error', (error) => process.stderr.write(`longshore: a worker process: ${error.message}\n`))
    child.once('exit', () => {
      children.delete(child)
      const timer = setTimeout(() => {
        timers.delete(timer)
        startOne(index)
      }, AGAIN_MS)
      timers.add(timer)
    })
    child.send({ ...options.work, mappings: shareOf(options.work.mappings, index, count) }, () => {})
  }
  for (let index = 0; index < count; index++) startOne(index)

  return {
    async stop(graceMs) {
      stopped = true
      for (const timer of timers) clearTimeout(timer)
      const ended = [...children].map((child) => new Promise((resolve) => child.once('exit', resolve)))
      for (const child of children) child.kill('SIGTERM')
      const last = setTimeout(() => {
        for (const child of children) child.kill('SIGKILL')
      }, graceMs + 200)
      await Promise.all(ended)
      clearTimeout(last)
    },
  }
}

/** The pools stay as large as serverless.yml says; each process gets its part, and small pools are in the first ones. */
export function shareOf<M extends { maximumConcurrency: number }>(mappings: M[], index: number, count: number): M[] {
  return mappings.flatMap((mapping) => {
    const { maximumConcurrency: all } = mapping
    const share = Math.floor(all / count) + (index < all % count ? 1 : 0)
    return share > 0 ? [{ ...mapping, maximumConcurrency: share }] : []
  })
}
