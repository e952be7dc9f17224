/**
 * A SHA-256 that can be put away and taken up again in another process: node:crypto cannot tell its state. It costs
 * twice the CPU of node:crypto (364 against 1,100 MB/s and more), so only blobs sent in chunks pay for it.
 */
import { createSHA256 } from 'hash-wasm'

export interface RunningHash {
  update(bytes: Uint8Array): void
  /** The state after what was seen so far, as text: 116 bytes, 156 characters. */
  save(): string
  /** `sha256:<hex>`; nothing may be added after it. */
  digest(): string
}

/** Empty, or from a saved state. Throws when that is not one. */
export async function runningHash(state?: string): Promise<RunningHash> {
  const hash = await createSHA256()
  hash.init()
  if (state !== undefined) hash.load(Buffer.from(state, 'base64'))
  return {
    update: (bytes) => void hash.update(bytes),
    save: () => Buffer.from(hash.save()).toString('base64'),
    digest: () => `sha256:${hash.digest('hex')}`,
  }
}
