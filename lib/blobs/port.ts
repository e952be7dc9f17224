/**
 * Content by key: inventories, reports, log parts, advisory revisions. Keys are `/`-separated, at most 512 characters
 * of [A-Za-z0-9._=/-], no `..` segment. S3 in the cloud, a folder locally.
 */
export interface BlobStore {
  get(key: string): Promise<Uint8Array | undefined>
  /** Reads `length` bytes at `offset` (the advisory index is opened by ranges); shorter at the end of the blob. */
  getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined>
  /** Whole or not at all: a reader never sees half a blob. */
  put(key: string, content: Uint8Array | string, options?: { contentType?: string }): Promise<void>
  /** Keys under the prefix in ascending order of their UTF-8 bytes, all pages. */
  list(prefix: string): Promise<{ key: string; size: number }[]>
  delete(key: string): Promise<void>
}
