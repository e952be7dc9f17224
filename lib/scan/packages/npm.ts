/** The package.json of installed npm packages (npm-package.json(5)). */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, Unreadable } from './analyzer.ts'
import { own, readJson } from './json.ts'

/** A package's own manifest: directly in `node_modules/<name>` or `node_modules/@scope/<name>`. */
const MANIFEST = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/

const FIXTURES: ReadonlySet<string> = new Set([
  'test',
  'tests',
  '__tests__',
  'fixture',
  'fixtures',
  '__fixtures__',
  'example',
  'examples',
])

/**
 * Packages that a package carries for its own tests are not installed: nothing resolves them. Between an installed
 * package and a nested `node_modules` such a directory gives them away; any other nesting counts, for bundlers do copy
 * real dependencies to `dist/node_modules`. One pass over the segments: paths are the archive's, and may be long.
 */
function isFixture(path: string): boolean {
  let inPackage = false
  let fixture = false
  let atName = false
  for (const segment of path.split('/')) {
    if (segment === 'node_modules') {
      if (fixture) return true
      atName = true
    } else if (atName) {
      // The name itself may be `test`; a scope is only its first half.
      atName = segment.startsWith('@')
      inPackage = !atName
    } else if (inPackage && FIXTURES.has(segment)) fixture = true
  }
  return false
}

export const npm: Analyzer = {
  kind: 'npm',
  wants: (path) => path.endsWith('/package.json') && MANIFEST.test(path) && !isFixture(path),
  bytesMax: 'manifestFileBytesMax',
  read: (path, content) => {
    const manifest = readJson(content)
    if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest))
      throw new Unreadable('is not a JSON object')
    const name = own(manifest, 'name')
    const version = own(manifest, 'version')
    // Without a version it was never published: nothing can be known about it.
    if (name === undefined || version === undefined || version === '') return []
    if (!isField(name) || !isField(version)) throw new Unreadable('has a name or version that is none')
    const found: FoundPackage = { kind: 'npm', name, version, path }
    return [found]
  },
}
