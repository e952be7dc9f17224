/** Digests by the grammar of the OCI image specification; only algorithms we can check are taken. */
import { createHash, type Hash } from 'node:crypto'

const ALGORITHMS: Record<string, { name: string; hex: number } | undefined> = {
  sha256: { name: 'sha256', hex: 64 },
  sha512: { name: 'sha512', hex: 128 },
}

/** `sha256:<64 hex>` or `sha512:<128 hex>`, lower case; anything else is not a digest to us. */
export function isDigest(text: string): boolean {
  const colon = text.indexOf(':')
  const algorithm = Object.hasOwn(ALGORITHMS, text.slice(0, colon)) ? ALGORITHMS[text.slice(0, colon)] : undefined
  return (
    algorithm !== undefined && text.length === colon + 1 + algorithm.hex && /^[0-9a-f]+$/.test(text.slice(colon + 1))
  )
}

/** The canonical digest of some bytes. */
export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A running hash for the algorithm of the digest. The digest must have passed `isDigest`. */
export const hashFor = (digest: string): Hash => createHash(digest.slice(0, digest.indexOf(':')))

/** Whether the bytes hash to the digest. */
export const matches = (bytes: Uint8Array, digest: string): boolean =>
  `${digest.slice(0, digest.indexOf(':'))}:${hashFor(digest).update(bytes).digest('hex')}` === digest
