import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeIndex, IndexFile } from '../../lib/advisories/index-file.ts'

test('every key gives back its value and every other key nothing', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })),
      fc.string(),
      (map, other) => {
        const entries = Object.entries(map)
        const file = new IndexFile(encodeIndex(entries))
        expect(file.size).toBe(entries.length)
        for (const [key, value] of entries) expect(file.get(key)).toBe(value)
        if (!Object.hasOwn(map, other)) expect(file.get(other)).toBeUndefined()
        expect(new Map(file.entries())).toEqual(new Map(entries))
      },
    ),
    { numRuns: 300, seed: 3 },
  )
})

test('the order in which entries are given does not show', () => {
  const entries: [string, string][] = Array.from({ length: 500 }, (_, i) => [`name-${i}`, `value ${i}`])
  expect(encodeIndex(entries.toReversed()).equals(encodeIndex(entries))).toBe(true)
})

test('an index of none is an index', () => {
  const file = new IndexFile(encodeIndex([]))
  expect([file.size, file.get(''), [...file.entries()]]).toEqual([0, undefined, []])
})

test('other bytes are refused by a coded error', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('LSIX'), Buffer.alloc(64), Buffer.from('{"revision":"x"}....')])
    expect(() => new IndexFile(bytes)).toThrow(expect.objectContaining({ code: 'advisories-invalid' }) as Error)
})
