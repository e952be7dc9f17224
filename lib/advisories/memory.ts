/**
 * What was read of each archive the last time, so that a source which lists its changes is asked for those alone. It is
 * a convenience: lost, damaged or of another source, everything is downloaded again.
 */
import { createHash } from 'node:crypto'
import type { BlobStore } from '../blobs/port.ts'
import type { PreparedRecord } from './prepared.ts'
import type { AdvisorySource } from './source.ts'
import { decodeLines, Spool } from './spool.ts'

const MEMORY_KEY = 'advisories/sources.json'
const archiveKey = (sha256: string): string => `advisories/sources/${sha256}.lines`

/** Rises when a line or what is made of a record changes its meaning: then nothing that was kept may be used. */
const FORMAT = 2

interface Kept {
  format: number
  source: string
  /** By ecosystem: the file that holds its records. */
  archives: { [ecosystem: string]: string }
}

/** One kept record: when its source changed it last, in milliseconds, and what was made of it. */
export type KeptLine = [modified: number, prepared: PreparedRecord]

export class SourceMemory implements Disposable {
  readonly #source: AdvisorySource
  readonly #blobs: BlobStore
  readonly #log: (line: string) => void
  readonly #spool: Spool | undefined
  readonly #ecosystems = new Set<string>()
  #before: Promise<Kept['archives']> | undefined

  constructor(source: AdvisorySource, blobs: BlobStore, log: (line: string) => void) {
    this.#source = source
    this.#blobs = blobs
    this.#log = log
    // A folder is read faster than it is compared.
    this.#spool = source.listing ? new Spool() : undefined
  }

  /** The lines of the last time, undefined when there are none of this source. They can be read more than once. */
  async recall(ecosystem: string): Promise<(() => Generator<KeptLine>) | undefined> {
    this.#before ??= this.#load()
    const archives = await this.#before
    const sha256 = Object.hasOwn(archives, ecosystem) ? archives[ecosystem]! : undefined
    const bytes = sha256 && (await this.#blobs.get(archiveKey(sha256)))
    if (!bytes || createHash('sha256').update(bytes).digest('hex') !== sha256) return undefined
    return function* () {
      for (const line of decodeLines(bytes)) yield JSON.parse(line) as KeptLine
    }
  }

  async #load(): Promise<Kept['archives']> {
    const bytes = await this.#blobs.get(MEMORY_KEY)
    if (!bytes) return {}
    try {
      const kept = JSON.parse(Buffer.from(bytes).toString('utf8')) as Kept
      return kept.format === FORMAT && kept.source === this.#source.name ? kept.archives : {}
    } catch {
      return {}
    }
  }

  keep(ecosystem: string, prepared: PreparedRecord): void {
    if (!this.#spool) return
    this.#ecosystems.add(ecosystem)
    const line: KeptLine = [prepared.record.modified ?? 0, prepared]
    this.#spool.write(ecosystem, JSON.stringify(line))
  }

  /** After the pointer has moved. A failure costs the next build a download, not this one its result. */
  async save(): Promise<void> {
    if (!this.#spool) return
    try {
      const archives: Kept['archives'] = {}
      for (const ecosystem of this.#ecosystems) {
        const bytes = this.#spool.bytes(ecosystem)
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        await this.#blobs.put(archiveKey(sha256), bytes, { contentType: 'application/octet-stream' })
        archives[ecosystem] = sha256
      }
      const kept: Kept = { format: FORMAT, source: this.#source.name, archives }
      await this.#blobs.put(MEMORY_KEY, JSON.stringify(kept), { contentType: 'application/json' })
      // A build that reads them just now downloads its archive instead.
      const used = new Set(Object.values(archives))
      for (const sha256 of Object.values((await this.#before) ?? {}))
        if (!used.has(sha256)) await this.#blobs.delete(archiveKey(sha256))
    } catch (error) {
      this.#log(`the next build downloads everything: ${error instanceof Error ? error.message : error}`)
    }
  }

  [Symbol.dispose](): void {
    this.#spool?.[Symbol.dispose]()
  }
}
