/** What happens to revisions that were replaced: how long they stay, and that nothing of a kept one goes with them. */
import { describe, expect, test } from 'vitest'
import { buildRevision, openRevision } from '../../lib/advisories/index.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { BlobStore } from '../../lib/blobs/port.ts'
import { defaultLimits } from '../../lib/config.ts'
import { dump, dumps, record } from './dumps.ts'

const DAY = 86_400_000
const START = Date.parse('2026-11-22T00:00:00Z')
const KEPT_DAYS = defaultLimits.advisoryRevisionDaysMax

/** A revision whose npm records are fixed in this version; Debian's stay as they are. */
async function build(blobs: BlobStore, fixed: string, day: number, log: string[] = []): Promise<string> {
  using world = dumps({
    Debian: dump(record('DSA-1', 'Debian:12', 'openssl', '3.0.2-1')),
    npm: dump(record('GHSA-1', 'npm', 'left', fixed, { modified: `2026-01-0${fixed}T00:00:00Z` })),
  })
  const clock = { now: () => START + day * DAY, sleep: async () => {} }
  const options = { source: world.source(), blobs, limits: defaultLimits, clock, log: (line: string) => log.push(line) }
  return (await buildRevision(options)).revision
}

const keys = async (blobs: BlobStore, ending: string) =>
  (await blobs.list('advisories/')).map(({ key }) => key).filter((key) => key.endsWith(ending))
const manifests = async (blobs: BlobStore) =>
  (await keys(blobs, '.json')).flatMap((key) => /^advisories\/revisions\/([^/]+)\.json$/.exec(key)?.[1] ?? [])
const lookup = async (blobs: BlobStore, revision: string) => {
  const database = await openRevision(blobs, revision)
  const [debian, npm] = [await database.lookup('Debian:12', 'openssl'), await database.lookup('npm', 'left')]
  return [debian, npm].map((matches) => matches[0]!.ranges[0]!.events.at(-1)!.version)
}

describe('a revision that was replaced', () => {
  test('stays whole for its days, then goes with the files that no other has', async () => {
    const blobs = memoryBlobs()
    const first = await build(blobs, '1', 0)
    const second = await build(blobs, '2', 1)
    expect(await lookup(blobs, first)).toEqual(['3.0.2-1', '1'])
    // From when it was replaced, not from when it was built.
    expect(await build(blobs, '2', 1 + KEPT_DAYS)).toBe(second)
    expect(await lookup(blobs, first)).toEqual(['3.0.2-1', '1'])
    await build(blobs, '2', 1.1 + KEPT_DAYS)
    expect(await manifests(blobs)).toEqual([second])
    expect(await lookup(blobs, second)).toEqual(['3.0.2-1', '2'])
    // Details, match and hashes of two ecosystems.
    expect(await keys(blobs, '.idx')).toHaveLength(6)
    await expect(openRevision(blobs, first)).rejects.toMatchObject({ code: 'advisories-missing' })
  })

  test('that comes back is the current one, and stays', async () => {
    const blobs = memoryBlobs()
    const first = await build(blobs, '1', 0)
    const second = await build(blobs, '2', 1)
    expect(await build(blobs, '1', 2)).toBe(first)
    await build(blobs, '1', 20)
    expect(await manifests(blobs)).toEqual([first])
    // It counts anew from when it is replaced again.
    await build(blobs, '2', 21)
    await build(blobs, '2', 22)
    expect((await manifests(blobs)).sort()).toEqual([first, second].sort())
  })

  test('takes its list of changes with it', async () => {
    const blobs = memoryBlobs()
    const revisions = [await build(blobs, '1', 0), await build(blobs, '2', 1), await build(blobs, '3', 2)]
    const changes = async () => (await keys(blobs, '.json')).filter((key) => key.includes('changed-from'))
    expect(await changes()).toHaveLength(2)
    await build(blobs, '3', 20)
    expect(await changes()).toEqual([`advisories/revisions/${revisions[2]}/changed-from-${revisions[1]}.json`])
  })
})

test('files of a build that broke half-way go too, but only after days in which a build could have named them', async () => {
  const blobs = memoryBlobs()
  await blobs.put('advisories/0123.idx', 'left behind')
  await build(blobs, '1', 0)
  await build(blobs, '1', KEPT_DAYS - 1)
  expect(await keys(blobs, '0123.idx')).toHaveLength(1)
  await build(blobs, '1', KEPT_DAYS + 1)
  expect(await keys(blobs, '0123.idx')).toEqual([])
})

test('nothing is deleted while a manifest that stays cannot be read, or deleting is not allowed; the build is good', async () => {
  const blobs = memoryBlobs()
  await build(blobs, '1', 0)
  await build(blobs, '2', 1)
  await blobs.put('advisories/revisions/20260101-0000000000000000.json', 'not JSON')
  const log: string[] = []
  const kept = await keys(blobs, '.idx')
  await build(blobs, '2', 8.5, log)
  expect(await keys(blobs, '.idx')).toEqual(kept)
  expect(log.join('\n')).toContain(
    'old revisions were not deleted: advisories/revisions/20260101-0000000000000000.json',
  )
  const refusing: BlobStore = { ...blobs, delete: () => Promise.reject(new Error('AccessDenied')) }
  const other: string[] = []
  await build(refusing, '3', 40, other)
  expect(other.join('\n')).toContain('old revisions were not deleted: AccessDenied')
})

test('what was kept of the sources, and the pointer, are no part of it', async () => {
  const blobs = memoryBlobs()
  await blobs.put('advisories/sources/abc.lines', 'x')
  await blobs.put('advisories/sources.json', '{}')
  await blobs.put('advisories/built-from.json', '{}')
  await build(blobs, '1', 0)
  await build(blobs, '1', 40)
  for (const name of ['sources/abc.lines', 'sources.json', 'built-from.json', 'current.json'])
    expect(await keys(blobs, `advisories/${name}`)).toHaveLength(1)
})
