/** Blobs in memory, for tests and the simulator. */
import { assertBlobKey, assertBlobPrefix, assertRange } from './key.ts'
import type { BlobStore } from './port.ts'

export function memoryBlobs(): BlobStore {
  const blobs = new Map<string, Uint8Array>()
  return {
    async get(key) {
      assertBlobKey(key)
      return blobs.get(key)?.slice()
    },
    async getRange(key, offset, length) {
      assertBlobKey(key)
      assertRange(key, offset, length)
      return blobs.get(key)?.slice(offset, offset + length)
    },
    async put(key, content) {
      assertBlobKey(key)
      blobs.set(key, typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content))
    },
    async list(prefix) {
      assertBlobPrefix(prefix)
      const found = [...blobs].filter(([key]) => key.startsWith(prefix))
      // Keys are ASCII: JavaScript's order is that of their bytes.
      return found.map(([key, content]) => ({ key, size: content.length })).sort((a, b) => (a.key < b.key ? -1 : 1))
    },
    async delete(key) {
      assertBlobKey(key)
      blobs.delete(key)
    },
  }
}
