import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { buildRevision, openAdvisories } from '../../lib/advisories/index.ts'
import { sourceOf } from '../../lib/advisories/source-of.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { type Doc, dump, record } from './dumps.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

/** Serves what `files` holds now, as OSV's bucket does, and remembers what it was asked for. */
async function bucket(files: Map<string, Uint8Array | string>) {
  const asked: string[] = []
  const server = createServer((request, answer) => {
    const path = decodeURIComponent((request.url ?? '').slice(1))
    asked.push(path)
    const content = files.get(path)
    if (content === undefined) answer.writeHead(404).end()
    else answer.writeHead(200, { 'content-length': Buffer.byteLength(content) }).end(content)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  )
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { address, asked: () => asked.splice(0) }
}

/** The three shapes in which OSV publishes an ecosystem. */
function publish(files: Map<string, Uint8Array | string>, ecosystem: string, records: Doc[]): void {
  for (const name of [...files.keys()]) if (name.startsWith(`${ecosystem}/`)) files.delete(name)
  files.set(`${ecosystem}/all.zip`, dump(...records))
  files.set(`${ecosystem}/modified_id.csv`, records.map(({ id, modified }) => `${modified},${id}\n`).join(''))
  for (const one of records) files.set(`${ecosystem}/${one.id}.json`, JSON.stringify(one))
  files.set(
    'ecosystems.txt',
    [...new Set([...files.keys()].filter((key) => key.includes('/')).map((key) => key.split('/')[0]))].join('\n'),
  )
}

const at = (day: number) => ({ modified: `2026-05-${String(day).padStart(2, '0')}T01:02:03.123456Z` })
const NPM = [
  record('A', 'npm', 'a', '1', at(1)),
  record('B', 'npm', 'b', '1', at(2)),
  record('C', 'npm', 'c', '1', at(3)),
]
const DEBIAN = [record('D', 'Debian:12', 'd', '1', at(1))]

describe('a source that lists its changes', () => {
  async function world(limits: Limits = defaultLimits) {
    const files = new Map<string, Uint8Array | string>()
    publish(files, 'npm', NPM)
    publish(files, 'Debian', DEBIAN)
    const { address, asked } = await bucket(files)
    const blobs = memoryBlobs()
    const build = () => buildRevision({ source: sourceOf(address, limits), blobs, limits })
    const first = await build()
    expect(asked()).toEqual(expect.arrayContaining(['npm/all.zip', 'Debian/all.zip']))
    return { files, asked, blobs, build, first }
  }

  test('is asked for nothing but its lists when nothing has changed', async () => {
    const { asked, build, first } = await world()
    expect((await build()).revision).toBe(first.revision)
    expect(asked()).toEqual(['ecosystems.txt', 'Debian/modified_id.csv', 'npm/modified_id.csv'])
  })

  test('is asked for what has changed alone, and the revision is that of all archives', async () => {
    const { files, asked, blobs, build, first } = await world()
    const after = [
      record('A', 'npm', 'a', '1', at(1)),
      record('B', 'npm', 'b', '2', at(9)),
      record('E', 'npm', 'e', '1', at(8)),
    ]
    publish(files, 'npm', after)
    const second = await build()
    expect(asked().filter((path) => path.startsWith('npm/'))).toEqual([
      'npm/modified_id.csv',
      'npm/B.json',
      'npm/E.json',
    ])
    const whole = memoryBlobs()
    const fresh = await buildRevision({
      source: sourceOf((await bucket(files)).address, defaultLimits),
      blobs: whole,
      limits: defaultLimits,
    })
    expect([second.revision, second.records]).toEqual([fresh.revision, fresh.records])
    expect(second.revision).not.toBe(first.revision)
    const database = await openAdvisories(blobs)
    expect(await database.lookup('npm', 'c')).toEqual([])
    expect((await database.lookup('npm', 'b'))[0]!.ranges[0]!.events.at(-1)!.version).toBe('2')
  })

  test('is read from its archive when too much has changed, or its list cannot be read or is gone', async () => {
    const { files, asked, build } = await world({ ...defaultLimits, advisoryChangesMax: 1 })
    publish(
      files,
      'npm',
      NPM.map((one) => ({ ...one, ...at(20) })),
    )
    await build()
    expect(asked()).toContain('npm/all.zip')
    files.set('npm/modified_id.csv', 'yesterday,A\n')
    await build()
    expect(asked()).toContain('npm/all.zip')
    files.delete('npm/modified_id.csv')
    await build()
    expect(asked()).toContain('npm/all.zip')
  })

  test('is remembered once: what was read the time before last is deleted', async () => {
    const { files, blobs, build } = await world()
    const kept = async () => (await blobs.list('advisories/sources/')).map(({ key }) => key)
    const before = await kept()
    publish(files, 'npm', [NPM[0]!, record('B', 'npm', 'b', '2', at(9)), NPM[2]!])
    await build()
    const after = await kept()
    expect([before.length, after.length, after.filter((key) => before.includes(key)).length]).toEqual([2, 2, 1])
  })

  test('is read from its archive when what was kept is damaged', async () => {
    const { asked, blobs, build, first } = await world()
    for (const { key } of await blobs.list('advisories/sources/')) await blobs.put(key, 'damaged')
    expect((await build()).revision).toBe(first.revision)
    expect(asked()).toEqual(expect.arrayContaining(['npm/all.zip', 'Debian/all.zip']))
    await blobs.put('advisories/sources.json', '{')
    expect((await build()).revision).toBe(first.revision)
  })

  test.each<[string, (files: Map<string, Uint8Array | string>) => void]>([
    ['does not have a record that it lists', (files) => files.delete('npm/B.json')],
    [
      'has no archive of an ecosystem that it names',
      (files) => {
        files.delete('Debian/all.zip')
        files.delete('Debian/modified_id.csv')
      },
    ],
  ])('and %s changes nothing', async (_, damage) => {
    const { files, blobs, build, first } = await world()
    publish(files, 'npm', [NPM[0]!, record('B', 'npm', 'b', '2', at(9)), NPM[2]!])
    damage(files)
    await expect(build()).rejects.toMatchObject({ code: 'advisories-invalid' })
    expect((await openAdvisories(blobs)).revision).toBe(first.revision)
  })

  test('tells a changed record that cannot be read, and drops it', async () => {
    const { files, build } = await world()
    publish(files, 'npm', [NPM[0]!, record('B', 'npm', 'b', '2', at(9)), NPM[2]!])
    files.set('npm/B.json', 'not json')
    const result = await build()
    expect(result.skipped).toEqual({ count: 1, examples: ['npm/B.json is not JSON'] })
    expect(result.records).toBe(3)
  })
})

test('an answer that is cut short, too large or an error changes nothing', async () => {
  const files = new Map<string, Uint8Array | string>()
  publish(files, 'npm', NPM)
  const { address } = await bucket(files)
  const limits = { ...defaultLimits, advisoryArchiveBytesMax: 100 }
  await expect(buildRevision({ source: sourceOf(address, limits), blobs: memoryBlobs(), limits })).rejects.toThrow(
    /larger than 100 bytes/,
  )
  const cut = createServer((_, answer) => {
    answer.writeHead(200, { 'content-length': '1000' })
    answer.write('PK')
    setImmediate(() => answer.destroy())
  })
  await new Promise<void>((resolve) => cut.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise((resolve) => cut.close(resolve)))
  const source = sourceOf(`http://127.0.0.1:${(cut.address() as AddressInfo).port}`, defaultLimits)
  await expect(buildRevision({ source, blobs: memoryBlobs(), limits: defaultLimits })).rejects.toThrow()
})
