/** Bytes by digest, in memory or in a folder. Metadata (which repository knows which digest) is in `store.ts`. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'

/** Where the bytes of one upload go until it is closed. Nothing of it can be read before `commit`. */
export interface Sink {
  /** False: wait for `drained` before writing more. */
  write(chunk: Uint8Array): boolean
  drained(resume: () => void): void
  /** Digest of what was written, by another algorithm than the one hashed on the fly. */
  digest(algorithm: string): Promise<string>
  /** Makes the bytes readable under this digest. Throws what the disk threw. */
  commit(digest: string): Promise<void>
  /** Forgets the bytes; never throws. */
  discard(): Promise<void>
}

export interface Content {
  size(digest: string): Promise<number | undefined>
  /** Bytes from `start` to `end`, both inclusive. */
  read(digest: string, start: number, end: number): Readable
  begin(id: string): Sink
  delete(digest: string): Promise<void>
}

/** Content that dies with the process; for tests. */
export function memoryContent(): Content {
  const blobs = new Map<string, Buffer>()
  return {
    size: async (digest) => blobs.get(digest)?.length,
    read: (digest, start, end) => {
      const bytes = blobs.get(digest)?.subarray(start, end + 1) ?? Buffer.alloc(0)
      let at = 0
      return new Readable({
        highWaterMark: CHUNK_BYTES,
        read() {
          const chunk = bytes.subarray(at, at + CHUNK_BYTES)
          at += chunk.length
          this.push(chunk.length > 0 ? chunk : null)
        },
      })
    },
    begin: () => {
      let chunks: Uint8Array[] = []
      return {
        write: (chunk) => {
          chunks.push(chunk)
          return true
        },
        drained: (resume) => resume(),
        digest: async (algorithm) => {
          const hash = createHash(algorithm)
          for (const chunk of chunks) hash.update(chunk)
          return `${algorithm}:${hash.digest('hex')}`
        },
        commit: async (digest) => {
          blobs.set(digest, Buffer.concat(chunks))
          chunks = []
        },
        discard: async () => {
          chunks = []
        },
      }
    },
    delete: async (digest) => {
      blobs.delete(digest)
    },
  }
}

/** Measured: larger chunks gain nothing, smaller ones cost a trip to the thread pool each. */
const CHUNK_BYTES = 262_144

/**
 * Content in `<folder>/blobs`. Uploads live in `<folder>/uploads`, which is emptied at start: an unfinished upload
 * leaves nothing. There is no fsync: the folder survives a restart of the process, not a power cut.
 */
export async function diskContent(folder: string): Promise<Content> {
  const blobs = join(folder, 'blobs')
  const uploads = join(folder, 'uploads')
  await rm(uploads, { recursive: true, force: true })
  await mkdir(blobs, { recursive: true })
  await mkdir(uploads, { recursive: true })
  const sizes = new Map<string, number>()
  for (const name of await readdir(blobs)) sizes.set(name.replace('-', ':'), (await stat(join(blobs, name))).size)
  const fileOf = (digest: string) => join(blobs, digest.replace(':', '-'))

  return {
    size: async (digest) => sizes.get(digest),
    read: (digest, start, end) =>
      // An empty range cannot be told to a file stream: both of its ends are inclusive.
      end < start ? Readable.from([]) : createReadStream(fileOf(digest), { start, end, highWaterMark: CHUNK_BYTES }),
    begin: (id) => {
      const path = join(uploads, id)
      const file = createWriteStream(path, { highWaterMark: 4 * CHUNK_BYTES })
      let failure: Error | undefined
      let size = 0
      // Without a listener a full disk would end the process; commit reports it.
      file.on('error', (error) => {
        failure = error
      })
      const closed = async () => {
        file.end()
        await finished(file).catch(() => undefined)
        if (failure) throw failure
      }
      return {
        write: (chunk) => {
          size += chunk.length
          // A destroyed stream never drains; commit tells why it was destroyed.
          return file.write(chunk) || file.destroyed
        },
        drained: (resume) => {
          const once = () => {
            file.off('drain', once)
            file.off('close', once)
            resume()
          }
          file.on('drain', once)
          file.on('close', once)
        },
        digest: async (algorithm) => {
          await closed()
          const hash = createHash(algorithm)
          for await (const chunk of createReadStream(path)) hash.update(chunk)
          return `${algorithm}:${hash.digest('hex')}`
        },
        commit: async (digest) => {
          await closed()
          await rename(path, fileOf(digest))
          sizes.set(digest, size)
        },
        discard: async () => {
          file.destroy()
          await finished(file).catch(() => undefined)
          await rm(path, { force: true }).catch(() => undefined)
        },
      }
    },
    delete: async (digest) => {
      sizes.delete(digest)
      // Synchronous, or it could remove the file of an upload that commits the same digest meanwhile.
      rmSync(fileOf(digest), { force: true })
    },
  }
}
