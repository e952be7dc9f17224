import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { diskBlobs } from '../../lib/blobs/disk.ts'
import { blobsConformance } from './conformance.ts'

const temporary = () => mkdtemp(join(tmpdir(), 'longshore-blobs-'))

blobsConformance('disk', async () => {
  const dir = await temporary()
  return { blobs: diskBlobs(join(dir, 'blobs')), close: () => rm(dir, { recursive: true }) }
})

let dir: string
beforeEach(async () => {
  dir = await temporary()
})
afterEach(() => rm(dir, { recursive: true }))

test('blobs survive a restart, and a file left by a writer that died is none', async () => {
  await diskBlobs(dir).put('a/b', 'content')
  await writeFile(join(dir, '+new', 'left-over'), 'half')
  const later = diskBlobs(dir)
  expect(new TextDecoder().decode(await later.get('a/b'))).toBe('content')
  expect(await later.list('')).toEqual([{ key: 'a/b', size: 7 }])
})

test('a finished put leaves no temporary file', async () => {
  const blobs = diskBlobs(dir)
  await Promise.all(Array.from({ length: 5 }, (_, i) => blobs.put(`a/${i}`, 'x')))
  expect(await readdir(join(dir, '+new'))).toEqual([])
})

test('a folder that cannot be written is told as store-unavailable with its path', async () => {
  const root = join(dir, 'blobs')
  await writeFile(root, 'a file where the folder should be')
  const refused = { code: 'store-unavailable', message: expect.stringContaining(root) }
  await expect(diskBlobs(root).put('a', 'x')).rejects.toMatchObject(refused)
  await expect(diskBlobs(root).get('a')).rejects.toMatchObject(refused)
  await expect(diskBlobs(root).list('')).rejects.toMatchObject(refused)
})
