/** One request on its way through the registry, and what every route needs from it. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RegistryProblem } from './answer.ts'
import type { Fault } from './faults.ts'
import type { RegistryStore } from './store.ts'

export interface Call {
  store: RegistryStore
  request: IncomingMessage
  method: string
  url: URL
  repository: string
  fault: Fault | undefined
  /** Whether the caller may also do this to another repository. */
  allows(scope: string): boolean
}

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Throws DIGEST_INVALID for anything that is not a sha256 or sha512 digest. */
export function digestOf(text: string): string {
  if (!DIGEST.test(text)) throw new RegistryProblem('DIGEST_INVALID', `"${text}" is not a sha256 or sha512 digest`)
  return text
}

/** Digest of bytes by the algorithm of `like`. */
export function hashLike(like: string, bytes: Uint8Array): string {
  const algorithm = like.startsWith('sha512:') ? 'sha512' : 'sha256'
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** The request body in memory. Throws SIZE_INVALID with status 413 beyond `bytesMax`. */
export async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    // Reading on to the end, without keeping it, lets a client that only writes still see the answer.
    if (size <= bytesMax) chunks.push(chunk)
  }
  if (size > bytesMax)
    throw new RegistryProblem('SIZE_INVALID', `the body has ${size} bytes, ${bytesMax} are allowed`, { status: 413 })
  return Buffer.concat(chunks)
}
