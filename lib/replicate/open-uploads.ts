/** The uploads of one replication that are open at the target: from the run before, and begun in this one. */
import type { RegistryClient } from '../oci/types.ts'
import { cancelUpload, type SavedUpload } from '../oci/uploads-saved.ts'

export class OpenUploads {
  readonly #target: { client: RegistryClient; repository: string }
  readonly #uploads: Map<string, SavedUpload>

  constructor(target: { client: RegistryClient; repository: string }, saved: ReadonlyMap<string, SavedUpload>) {
    this.#target = target
    this.#uploads = new Map(saved)
  }

  /** By digest, for the checkpoint. */
  get all(): ReadonlyMap<string, SavedUpload> {
    return this.#uploads
  }

  /** Bytes the registry has of them. */
  get bytes(): number {
    let sum = 0
    for (const { offset } of this.#uploads.values()) sum += offset
    return sum
  }

  get(digest: string): SavedUpload | undefined {
    return this.#uploads.get(digest)
  }

  set(digest: string, upload: SavedUpload): void {
    this.#uploads.set(digest, upload)
  }

  /** It was closed. */
  delete(digest: string): void {
    this.#uploads.delete(digest)
  }

  /** Nobody will go on with it: the registry need not keep it. */
  async giveUp(digest: string): Promise<void> {
    const upload = this.#uploads.get(digest)
    this.#uploads.delete(digest)
    if (upload) await cancelUpload(this.#target.client, this.#target.repository, upload)
  }

  /** At once: a stop takes effect within 5 s however many are open. */
  async giveUpAll(): Promise<void> {
    await Promise.all([...this.#uploads.keys()].map((digest) => this.giveUp(digest)))
  }
}
