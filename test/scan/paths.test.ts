import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalizePath } from '../../lib/scan/paths.ts'

/** What a path means, said as plainly as it can be. */
function meaning(path: string): string | undefined {
  const segments = path.split('/')
  if (path.includes('\0') || segments.includes('..')) return undefined
  return segments.filter((segment) => segment !== '' && segment !== '.').join('/')
}

const segment = fc.oneof(fc.constantFrom('', '.', '..', '...', 'a', '.a', 'a.', '\0'), fc.string({ maxLength: 3 }))

test('a path has one spelling, however many dots and slashes it was written with', () => {
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
      const path = segments.join('/')
      expect(normalizePath(path)).toBe(meaning(path))
    }),
    { numRuns: 20_000, seed: 7 },
  )
})
