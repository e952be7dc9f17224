/** Builds the advisory revision in a thread, so that five seconds of parsing do not hold up the API. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AdvisoryWork } from './advisories-worker.ts'
import type { Settings } from './settings.ts'

export class AdvisoryBuilds {
  readonly #work: AdvisoryWork
  readonly #script: string
  readonly #againMs: number
  #running: Worker | undefined
  #again: NodeJS.Timeout | undefined
  #stopped = false
  #told = ''

  constructor(settings: Settings, root: string) {
    this.#script = join(root, 'dist/local/advisories-worker.mjs')
    this.#againMs = settings.tickSeconds * 1000
    // The bundled records come with the catalogue entries that concern them.
    const enrichment = settings.enrichment ?? (settings.advisories ? undefined : join(root, 'demo', 'enrichment'))
    this.#work = {
      root,
      blobs: join(settings.dataDir, 'blobs'),
      demo: join(settings.dataDir, 'demo-advisories'),
      ...(settings.advisories ? { source: settings.advisories } : {}),
      ...(enrichment ? { enrichment } : {}),
    }
  }

  /**
   * One at a time. A failure is one line, told once, and tried again every tick: the revision before stays in use, and
   * the folder or the network may come.
   */
  async build(): Promise<void> {
    clearTimeout(this.#again)
    if (this.#running || this.#stopped) return
    await new Promise<void>((resolve) => {
      const worker = new Worker(this.#script, { workerData: this.#work })
      this.#running = worker
      worker.on('error', (error) => this.#failed(error.message))
      worker.on('exit', () => {
        this.#running = undefined
        resolve()
      })
    })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#again)
    void this.#running?.terminate()
  }

  #failed(message: string): void {
    if (this.#stopped) return
    if (message !== this.#told) process.stderr.write(`longshore: the advisories were not built: ${message}\n`)
    this.#told = message
    this.#again = setTimeout(() => void this.build(), this.#againMs)
  }
}
