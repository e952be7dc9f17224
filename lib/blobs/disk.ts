/**
 * Blobs as files under a folder, for the local run. `reports/a.json` lies in `reports+/a.json`: no key can hold a `+`,
 * so a blob `x` and a blob `x/y` do not get in each other's way, and temporary files in `+new` are never taken for
 * blobs. A write is a rename, which is whole or not at all; nothing is synced, because after a power cut the local run
 * may start over.
 */
import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LongshoreError } from '../errors.ts'
import { assertBlobKey, assertBlobPrefix, assertRange } from './key.ts'
import type { BlobStore } from './port.ts'

/** The folder is made with the first blob. Throws `store-unavailable` when the file system refuses. */
export function diskBlobs(root: string): BlobStore {
  const fresh = join(root, '+new')
  const folderOf = (segments: string[]) => join(root, ...segments.map((segment) => `${segment}+`))
  const pathOf = (key: string) => {
    assertBlobKey(key)
    const segments = key.split('/')
    return join(folderOf(segments.slice(0, -1)), segments.at(-1)!)
  }

  return {
    async get(key) {
      const path = pathOf(key)
      return orUndefined(readFile(path), path)
    },

    async getRange(key, offset, length) {
      assertRange(key, offset, length)
      const path = pathOf(key)
      const file = await orUndefined(open(path), path)
      if (!file) return undefined
      try {
        return await readRange(file, offset, length)
      } catch (thrown) {
        throw refused(path, thrown)
      } finally {
        await file.close()
      }
    },

    async put(key, content) {
      const path = pathOf(key)
      const temporary = join(fresh, randomUUID())
      try {
        await makingFolders(fresh, () => writeFile(temporary, content))
        await makingFolders(dirname(path), () => rename(temporary, path))
      } catch (thrown) {
        await rm(temporary, { force: true }).catch(() => undefined)
        throw refused(path, thrown)
      }
    },

    async list(prefix) {
      assertBlobPrefix(prefix)
      const segments = prefix.split('/')
      const keys = await keysBelow(
        folderOf(segments.slice(0, -1)),
        prefix.slice(0, prefix.lastIndexOf('/') + 1),
        segments.at(-1)!,
      )
      keys.sort()
      const blobs: { key: string; size: number }[] = []
      for (const key of keys) {
        const path = pathOf(key)
        const found = await orUndefined(stat(path), path)
        if (found) blobs.push({ key, size: found.size })
      }
      return blobs
    },

    async delete(key) {
      const path = pathOf(key)
      await orUndefined(rm(path), path)
    },
  }
}

async function readRange(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const { size } = await file.stat()
  const content = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
  let filled = 0
  while (filled < content.length) {
    const { bytesRead } = await file.read(content, filled, content.length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return content.subarray(0, filled)
}

/** All keys below a folder whose first segment begins with `start`. */
async function keysBelow(folder: string, parent: string, start: string): Promise<string[]> {
  const entries = (await orUndefined(readdir(folder, { withFileTypes: true }), folder)) ?? []
  const keys: string[] = []
  for (const entry of entries) {
    if (!entry.name.startsWith(start)) continue
    if (!entry.isDirectory()) keys.push(parent + entry.name)
    else if (entry.name.endsWith('+'))
      keys.push(...(await keysBelow(join(folder, entry.name), `${parent}${entry.name.slice(0, -1)}/`, '')))
  }
  return keys
}

/** Most folders are there already: only when one is missing it is made and the step repeated. */
async function makingFolders(folder: string, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown
    await mkdir(folder, { recursive: true })
    await step()
  }
}

const isMissing = (thrown: unknown): boolean => (thrown as NodeJS.ErrnoException).code === 'ENOENT'

async function orUndefined<T>(result: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await result
  } catch (thrown) {
    if (isMissing(thrown)) return undefined
    throw refused(path, thrown)
  }
}

const refused = (path: string, cause: unknown) =>
  new LongshoreError('store-unavailable', `the file ${path} cannot be used: ${(cause as Error).message}`, { cause })
