import { expect, test } from 'vitest'
import { packageUrl } from '../../lib/scan/purl.ts'

// One package.json with such a name ended the whole scan by a URIError.
test('a name with half of a surrogate pair has a package URL like any other', () => {
  const name = JSON.parse('"a\\ud800b"') as string
  for (const kind of ['npm', 'python', 'dpkg', 'rpm'] as const)
    expect(packageUrl({ kind, name, version: '1\udc00', path: 'x' })).toMatch(/a%EF%BF%BDb@1%EF%BF%BD$/)
})
