/** Which repository knows which blobs, manifests and tags. Bytes are in `content.ts`. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Content } from './content.ts'
import { diskContent, memoryContent } from './content.ts'
import { type Change, type Journal, openJournal } from './journal.ts'

export interface StoredManifest {
  digest: string
  mediaType: string
  bytes: Buffer
}

interface Repository {
  blobs: Set<string>
  /** Digest -> media type; the bytes are content like any blob. */
  manifests: Map<string, string>
  tags: Map<string, string>
}

export class RegistryStore {
  readonly content: Content
  readonly #repositories = new Map<string, Repository>()
  #journal: Journal = { append: () => undefined }

  constructor(content: Content) {
    this.content = content
  }

  /** In memory, or in `dataDir` when there is one. What the journal names and the folder lacks is forgotten. */
  static async open(dataDir: string | undefined): Promise<RegistryStore> {
    if (dataDir === undefined) return new RegistryStore(memoryContent())
    const store = new RegistryStore(await diskContent(dataDir))
    store.#journal = openJournal(
      join(dataDir, 'journal.jsonl'),
      (change) => store.#apply(change),
      () => store.#changes(),
    )
    const isLost = async (digest: string) => (await store.content.size(digest)) === undefined
    for (const repository of store.#repositories.values()) {
      for (const digest of repository.blobs) if (await isLost(digest)) repository.blobs.delete(digest)
      for (const digest of repository.manifests.keys()) if (await isLost(digest)) repository.manifests.delete(digest)
      for (const [tag, digest] of repository.tags) if (!repository.manifests.has(digest)) repository.tags.delete(tag)
    }
    return store
  }

  /** Names of repositories that hold at least one manifest, in ascending order. */
  repositories(): string[] {
    return [...this.#repositories].flatMap(([name, r]) => (r.manifests.size > 0 ? [name] : [])).sort()
  }

  hasRepository(name: string): boolean {
    return this.#repositories.has(name)
  }

  /** Tags in ascending order. */
  tags(repository: string): string[] {
    return [...(this.#repositories.get(repository)?.tags.keys() ?? [])].sort()
  }

  hasBlob(repository: string, digest: string): boolean {
    return this.#repositories.get(repository)?.blobs.has(digest) ?? false
  }

  /** Digest that a tag or a digest names here, if the repository has such a manifest. */
  resolve(repository: string, reference: string): string | undefined {
    const r = this.#repositories.get(repository)
    const digest = reference.includes(':') ? reference : r?.tags.get(reference)
    return digest !== undefined && r?.manifests.has(digest) ? digest : undefined
  }

  /** A manifest by tag or digest. */
  async manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const digest = this.resolve(repository, reference)
    const mediaType = digest && this.#repositories.get(repository)?.manifests.get(digest)
    if (!digest || !mediaType) return undefined
    const size = (await this.content.size(digest)) ?? 0
    const chunks: Buffer[] = []
    for await (const chunk of this.content.read(digest, 0, size - 1)) chunks.push(chunk)
    return { digest, mediaType, bytes: Buffer.concat(chunks) }
  }

  /** Every manifest of the repository, for the referrers API. */
  async *manifests(repository: string): AsyncGenerator<StoredManifest> {
    for (const digest of [...(this.#repositories.get(repository)?.manifests.keys() ?? [])]) {
      const manifest = await this.manifest(repository, digest)
      if (manifest) yield manifest
    }
  }

  linkBlob(repository: string, digest: string): void {
    if (!this.hasBlob(repository, digest)) this.#change({ blob: digest, in: repository })
  }

  async putManifest(repository: string, manifest: StoredManifest, tag?: string): Promise<void> {
    const known = this.#repositories.get(repository)?.manifests.get(manifest.digest)
    if (known !== manifest.mediaType) {
      const sink = this.content.begin(randomUUID())
      sink.write(manifest.bytes)
      await sink.commit(manifest.digest)
      this.#change({ manifest: manifest.digest, in: repository, mediaType: manifest.mediaType })
    }
    if (tag !== undefined && this.#repositories.get(repository)?.tags.get(tag) !== manifest.digest)
      this.#change({ tag, in: repository, is: manifest.digest })
  }

  removeTag(repository: string, tag: string): boolean {
    if (!this.#repositories.get(repository)?.tags.has(tag)) return false
    this.#change({ removeTag: tag, in: repository })
    return true
  }

  /** Removes a manifest and every tag that names it. */
  async removeManifest(repository: string, digest: string): Promise<boolean> {
    const r = this.#repositories.get(repository)
    if (!r?.manifests.has(digest)) return false
    for (const [tag, is] of r.tags) if (is === digest) this.#change({ removeTag: tag, in: repository })
    this.#change({ removeManifest: digest, in: repository })
    await this.#collect(digest)
    return true
  }

  async removeBlob(repository: string, digest: string): Promise<boolean> {
    if (!this.hasBlob(repository, digest)) return false
    this.#change({ removeBlob: digest, in: repository })
    await this.#collect(digest)
    return true
  }

  /** Content goes when the last repository that knew it has let go. */
  async #collect(digest: string): Promise<void> {
    for (const r of this.#repositories.values()) if (r.blobs.has(digest) || r.manifests.has(digest)) return
    await this.content.delete(digest)
  }

  #change(change: Change): void {
    this.#journal.append(change)
    this.#apply(change)
  }

  #apply(change: Change): void {
    let r = this.#repositories.get(change.in)
    if (!r) {
      r = { blobs: new Set(), manifests: new Map(), tags: new Map() }
      this.#repositories.set(change.in, r)
    }
    if ('blob' in change) r.blobs.add(change.blob)
    else if ('manifest' in change) r.manifests.set(change.manifest, change.mediaType)
    else if ('is' in change) r.tags.set(change.tag, change.is)
    else if ('removeBlob' in change) r.blobs.delete(change.removeBlob)
    else if ('removeManifest' in change) r.manifests.delete(change.removeManifest)
    else r.tags.delete(change.removeTag)
  }

  *#changes(): Generator<Change> {
    for (const [name, r] of this.#repositories) {
      for (const digest of r.blobs) yield { blob: digest, in: name }
      for (const [digest, mediaType] of r.manifests) yield { manifest: digest, in: name, mediaType }
      for (const [tag, digest] of r.tags) yield { tag, in: name, is: digest }
    }
  }
}
