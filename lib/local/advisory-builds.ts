/** Builds the advisory revision in a thread, so that five seconds of parsing do not hold up the API. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AdvisoryWork } from './advisories-worker.ts'
import type { Settings } from './settings.ts'

export class AdvisoryBuilds {
  readonly #work: AdvisoryWork
  readonly #script: string
  #running: Worker | undefined

  constructor(settings: Settings, root: string) {
    this.#script = join(root, 'dist/local/advisories-worker.mjs')
    this.#work = {
      root,
      blobs: join(settings.dataDir, 'blobs'),
      demo: join(settings.dataDir, 'demo-advisories'),
      ...(settings.advisories ? { source: settings.advisories } : {}),
      ...(settings.enrichment ? { enrichment: settings.enrichment } : {}),
    }
  }

  /** One at a time. A failure is one line: the revision before stays in use. */
  async build(): Promise<void> {
    if (this.#running) return
    await new Promise<void>((resolve) => {
      const worker = new Worker(this.#script, { workerData: this.#work })
      this.#running = worker
      worker.on('error', (error) =>
        process.stderr.write(`longshore: the advisories were not built: ${error.message}\n`),
      )
      worker.on('exit', () => {
        this.#running = undefined
        resolve()
      })
    })
  }

  stop(): void {
    void this.#running?.terminate()
  }
}
