import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AdvisoryDatabase,
  buildRevision,
  type ChangedKey,
  changedKeys,
  openRevision,
  packageKey,
  readChangedKeys,
} from '../../lib/advisories/index.ts'
import { type RevisionManifest, revisionKey } from '../../lib/advisories/model.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { BlobStore } from '../../lib/blobs/port.ts'
import { defaultLimits } from '../../lib/config.ts'
import { type Doc, dump, dumps, record } from './dumps.ts'

async function build(blobs: BlobStore, ecosystems: Record<string, Doc[]>): Promise<string> {
  using world = dumps(Object.fromEntries(Object.entries(ecosystems).map(([name, records]) => [name, dump(...records)])))
  return (await buildRevision({ source: world.source(), blobs, limits: defaultLimits })).revision
}

interface Row {
  id: string
  ecosystem: string
  name: string
  fixed: string
  more: Doc
}

const told = (keys: ChangedKey[]) => keys.map(({ ecosystem, name }) => `${ecosystem} ${name}`)

describe('the packages that two revisions tell otherwise', () => {
  const base = {
    Debian: [record('D-1', 'Debian:12', 'openssl', '3'), record('D-2', 'Debian:11', 'openssl', '1')],
    npm: [record('A', 'npm', 'a', '1'), record('B', 'npm', 'b', '1')],
  }

  test.each<[string, Record<string, Doc[]>, string[]]>([
    ['nothing', base, []],
    [
      'a fix',
      { ...base, Debian: [record('D-1', 'Debian:12', 'openssl', '4'), base.Debian[1]!] },
      ['Debian:12 openssl'],
    ],
    ['a title', { ...base, npm: [{ ...base.npm[0], summary: 'Oh' }, base.npm[1]!] }, ['npm a']],
    [
      'a severity',
      { ...base, npm: [{ ...base.npm[0], database_specific: { severity: 'LOW' } }, base.npm[1]!] },
      ['npm a'],
    ],
    [
      'a withdrawal',
      { ...base, npm: [{ ...base.npm[0], withdrawn: '2026-01-01T00:00:00Z' }, base.npm[1]!] },
      ['npm a'],
    ],
    [
      'a date that no finding shows',
      { ...base, npm: [{ ...base.npm[0], modified: '2026-02-01T00:00:00Z' }, base.npm[1]!] },
      [],
    ],
    ['a new record', { ...base, npm: [...base.npm, record('C', 'npm', 'b', '2')] }, ['npm b']],
    ['an ecosystem', { ...base, Go: [record('G', 'Go', 'm', '1')] }, ['Go *', 'Go m']],
    ['a release', { ...base, Debian: base.Debian.slice(0, 1) }, ['Debian:11 *', 'Debian:11 openssl']],
    [
      'what another record says of the same CVE',
      {
        ...base,
        npm: [
          ...base.npm,
          record('G', 'npm', 'c', '1', {
            aliases: ['CVE-2024-1000'],
            severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
          }),
        ],
      },
      ['npm c'],
    ],
  ])('when %s has changed', async (_, after, expected) => {
    const blobs = memoryBlobs()
    const [older, newer] = [await build(blobs, base), await build(blobs, after)]
    expect(told(await changedKeys(blobs, older, newer))).toEqual(expected)
    expect(told(await changedKeys(blobs, newer, older))).toEqual(expected)
    expect(told(await readChangedKeys(blobs, older, newer))).toEqual(expected)
  })

  test('are written beside the new revision before the pointer moves, and computed where they are not', async () => {
    const blobs = memoryBlobs()
    const older = await build(blobs, base)
    const order: string[] = []
    const watched: BlobStore = {
      ...blobs,
      async put(key, content) {
        order.push(key)
        await blobs.put(key, content)
      },
    }
    const newer = await build(watched, { ...base, npm: [] as Doc[] })
    const key = `advisories/revisions/${newer}/changed-from-${older}.json`
    const upToPointer = order.slice(0, order.indexOf('advisories/current.json') + 1)
    expect(upToPointer.slice(-3)).toEqual([revisionKey(newer), key, 'advisories/current.json'])
    expect(JSON.parse(Buffer.from((await blobs.get(key))!).toString())).toEqual({ npm: ['a', 'b'] })
    await blobs.delete(key)
    expect(told(await readChangedKeys(blobs, older, newer))).toEqual(['npm a', 'npm b'])
  })

  test('are all of an ecosystem when a revision was built before there were hashes', async () => {
    const blobs = memoryBlobs()
    const older = await build(blobs, base)
    const newer = await build(blobs, { ...base, npm: [record('A', 'npm', 'a', '2')] })
    const manifest = JSON.parse(Buffer.from((await blobs.get(revisionKey(older)))!).toString()) as RevisionManifest
    const files = manifest.files.filter(({ kind }) => kind !== 'hashes')
    await blobs.put(revisionKey(older), JSON.stringify({ ...manifest, files }))
    expect(told(await changedKeys(blobs, older, newer)).filter((key) => key.endsWith('*'))).toEqual([
      'Debian:11 *',
      'Debian:12 *',
      'npm *',
    ])
  })

  test('are exactly those whose records or details differ, whatever changes', async () => {
    const names = ['a', 'b', 'c']
    const ecosystems = ['npm', 'Debian:12', 'PyPI']
    const cves = ['CVE-2024-0001', 'CVE-2024-0002']
    const one = fc.record({
      id: fc.constantFrom('R1', 'R2', 'R3', 'R4', 'CVE-2024-0001'),
      ecosystem: fc.constantFrom(...ecosystems),
      name: fc.constantFrom(...names),
      fixed: fc.constantFrom('1', '2'),
      more: fc.record({
        aliases: fc.subarray(cves),
        summary: fc.constantFrom('', 'x'),
        severity: fc.constantFrom([], [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }]),
      }),
    })
    const world = fc.uniqueArray(one, { selector: ({ id }) => id, minLength: 1, maxLength: 5 })
    const buildOf = async (blobs: BlobStore, rows: Row[]) => {
      const docs: Record<string, Doc[]> = { npm: [], PyPI: [], Debian: [] }
      for (const { id, ecosystem, name, fixed, more } of rows)
        docs[ecosystem.split(':')[0]!]!.push(record(id, ecosystem, name, fixed, more))
      return build(blobs, docs)
    }
    const content = async (database: AdvisoryDatabase, ecosystem: string, name: string) => {
      const matches = await database.lookup(ecosystem, name)
      return JSON.stringify([matches, await Promise.all(matches.map(({ id }) => database.details(ecosystem, id)))])
    }
    await fc.assert(
      fc.asyncProperty(world, world, async (before, after) => {
        const blobs = memoryBlobs()
        const [older, newer] = [await buildOf(blobs, before), await buildOf(blobs, after)]
        const [one, two] = await Promise.all([openRevision(blobs, older), openRevision(blobs, newer)])
        const expected: string[] = []
        for (const ecosystem of [...ecosystems].sort()) {
          if (one.covers(ecosystem) !== two.covers(ecosystem)) expected.push(`${ecosystem} *`)
          for (const name of names)
            if ((await content(one, ecosystem, name)) !== (await content(two, ecosystem, name)))
              expected.push(`${ecosystem} ${name}`)
        }
        expect(told(await changedKeys(blobs, older, newer))).toEqual(expected)
      }),
      { numRuns: 40, seed: 5 },
    )
  })

  test('a package has one key in all its spellings', () => {
    expect([packageKey('PyPI', 'Foo_Bar'), packageKey('Ubuntu:22.04:LTS', 'curl')]).toEqual([
      { ecosystem: 'PyPI', name: 'foo-bar' },
      { ecosystem: 'Ubuntu:22.04', name: 'curl' },
    ])
  })
})
