import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ImageInventory } from '../../../lib/scan/model.ts'
import { decodeBase, EMPTY_BASE, encodeBase, entriesWith, mergeIndex } from '../../../lib/scan/package-index/base.ts'
import { indexEntry } from '../../../lib/scan/package-index/entry.ts'
import type { Segment } from '../../../lib/scan/package-index/segment.ts'

const KEYS = ['npm\na', 'npm\nb', 'npm\n*', 'Debian:12\nü', '\nCVE-1', 'dpkg\nliba']

/** Equal keys, equal group. */
const idOf = (keys: readonly string[]) =>
  createHash('sha256')
    .update([...keys].sort().join())
    .digest('hex')
    .slice(0, 32)

const segments = fc
  .array(fc.array(fc.uniqueArray(fc.constantFrom(...KEYS), { minLength: 1 }), { minLength: 1, maxLength: 3 }), {
    maxLength: 6,
  })
  .map((images) =>
    images.map((groups, n): Segment => {
      const named = groups.map((keys) => ({ id: idOf(keys), keys }))
      return { digest: `sha256:${n % 4}`, set: `s${n}`, at: n, groups: named }
    }),
  )

const having = (all: readonly Segment[], key: string) =>
  all.filter(({ groups }) => groups.some(({ keys }) => keys.includes(key))).map(({ set }) => set)

describe('a base of the package index', () => {
  test('answers as its segments do, however they were merged, and is the same file', () => {
    fc.assert(
      fc.property(segments, fc.nat(6), (all, cut) => {
        const once = mergeIndex(EMPTY_BASE, all)
        const first = decodeBase(encodeBase(mergeIndex(EMPTY_BASE, all.slice(cut))))
        const twice = mergeIndex(mergeIndex(first, all.slice(0, cut)), all)
        expect(encodeBase(twice).equals(encodeBase(once))).toBe(true)
        for (const key of [...KEYS, 'npm\nnone'])
          expect(
            entriesWith(decodeBase(encodeBase(once)), new Set([key]))
              .map(({ set }) => set)
              .sort(),
          ).toEqual(having(all, key).sort())
      }),
      { numRuns: 100 },
    )
  })

  test('loses what only a forgotten image had', () => {
    fc.assert(
      fc.property(segments, fc.nat(3), (all, gone) => {
        const isKept = ({ digest }: { digest: string }) => digest !== `sha256:${gone}`
        const purged = mergeIndex(mergeIndex(EMPTY_BASE, all), [], isKept)
        expect(encodeBase(purged).equals(encodeBase(mergeIndex(EMPTY_BASE, all.filter(isKept))))).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  test('of another version is not read', () => {
    expect(() => decodeBase(Buffer.from(encodeBase(EMPTY_BASE)).subarray(0, 3))).toThrow()
  })
})

test('an image is indexed by source, by binary package, by ecosystem and by flaw, whatever names strangers chose', () => {
  const inventory: ImageInventory = {
    analyzer: 1,
    digest: 'sha256:1',
    platform: 'linux/amd64',
    os: { id: 'debian', version: '12' },
    packages: [
      {
        kind: 'dpkg',
        name: 'libssl3',
        version: '1',
        path: 'x',
        layer: 'l1',
        source: { name: 'openssl', version: '1' },
      },
      { kind: 'npm', name: 'nul\0\ud800', version: '1', path: 'y', layer: 'l2' },
      { kind: 'python', name: 'Foo_Bar', version: '1', path: 'z', layer: 'l2', owned: true },
    ],
    layers: [],
    gaps: [],
    kind: 'image',
  }
  const found = { id: 'CVE-1', aliases: ['DSA-1'], layer: 'l1' } as never
  const { groups } = indexEntry(inventory, [found])
  expect(groups.flatMap(({ keys }) => keys).sort()).toEqual(
    [
      '\nCVE-1',
      '\nDSA-1',
      'Debian:12\n*',
      'Debian:12\nopenssl',
      'PyPI\n*',
      'PyPI\nfoo-bar',
      'dpkg\nlibssl3',
      'npm\n*',
      'npm\nnul\ufffd\ufffd',
      'python\nFoo_Bar',
    ].sort(),
  )
})
