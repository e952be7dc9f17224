import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { type TarEntry, tarOf } from '../../lib/local/demo/build.ts'
import { mergeLayers } from '../../lib/scan/merge.ts'
import { inventoryOf } from './archives.ts'
import { LinkLoop, type ModelEntry, unionOf } from './union-model.ts'

const manifest = (name: string, version = '1.0.0') => JSON.stringify({ name, version })
const dpkgStatus = (...packages: string[]) =>
  packages
    .map((p) => p.split('@'))
    .map(([name, version]) => `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\n`)
    .join('\n')

/** Name, version and number of the layer of each package, after a merge of these layers. */
async function merge(...layers: TarEntry[][]) {
  const inventories = await Promise.all(layers.map((entries) => inventoryOf(tarOf(entries))))
  const merged = mergeLayers(inventories, defaultLimits)
  const layerOf = (diffId: string) => inventories.findIndex((inventory) => inventory.diffId === diffId)
  return {
    ...merged,
    found: merged.packages.map((p) => `${p.name}@${p.version} in ${layerOf(p.layer)}`),
    paths: merged.packages.map((p) => p.path),
  }
}

describe('merging layers', () => {
  test('attributes a dpkg package to the layer since which it stands there unchanged', async () => {
    const path = 'var/lib/dpkg/status'
    const { found } = await merge(
      [{ path, content: dpkgStatus('a@1', 'b@1', 'c@1') }],
      [{ path, content: dpkgStatus('a@1', 'b@2', 'd@1') }],
      [{ path, content: dpkgStatus('a@1', 'b@2', 'c@1') }],
    )
    expect(found).toEqual(['a@1 in 0', 'b@2 in 1', 'c@1 in 2'])
  })

  test('lets whiteouts hide lower layers only, even when the marker comes after its new sibling', async () => {
    const base = [
      { path: 'app/node_modules/a/package.json', content: manifest('a') },
      { path: 'app/node_modules/b/package.json', content: manifest('b') },
    ]
    expect((await merge(base, [{ path: 'app/node_modules/.wh.a' }])).found).toEqual(['b@1.0.0 in 0'])
    expect((await merge(base, [{ path: '.wh.app' }])).found).toEqual([])
    const opaque = [
      { path: 'app/node_modules/new/package.json', content: manifest('new') },
      { path: 'app/node_modules/.wh..wh..opq' },
    ]
    expect((await merge(base, opaque)).found).toEqual(['new@1.0.0 in 1'])
    const replaced = [{ path: 'app/node_modules/a/package.json', content: manifest('a', '2.0.0') }, { path: '.wh.app' }]
    expect((await merge(base, replaced)).found).toEqual(['a@2.0.0 in 1'])
  })

  test('hides a package whose manifest became something else, and a directory that became a file', async () => {
    const base = [{ path: 'usr/src/app/node_modules/a/package.json', content: manifest('a') }]
    expect((await merge(base, [{ path: base[0]!.path, content: 'not JSON' }])).found).toEqual([])
    for (const path of ['usr/src/app', 'usr', 'usr/src/app/node_modules', 'usr/src/app/node_modules/a'])
      expect((await merge(base, [{ path, content: 'a file' }])).found).toEqual([])
  })

  test('reads one database under two spellings of its directory', async () => {
    const installed = (version: string) => `P:musl\nV:${version}\n\n`
    const base = [
      { path: 'lib', type: 'symlink' as const, linkname: 'usr/lib' },
      { path: 'usr/lib/apk/db/installed', content: installed('1') },
    ]
    const upper = await merge(base, [{ path: 'lib/apk/db/installed', content: installed('2') }])
    expect(upper.found).toEqual(['musl@2 in 1'])
    expect(upper.paths).toEqual(['usr/lib/apk/db/installed'])
    expect((await merge(base, [{ path: 'lib/apk/db/.wh.installed' }])).found).toEqual([])
    expect((await merge(base, [{ path: 'lib/apk/.wh..wh..opq' }])).found).toEqual([])
    // A directory entry replaces the link: from then on there are two.
    const two = await merge(base, [{ path: 'lib/' }, { path: 'lib/apk/db/installed', content: installed('2') }])
    expect(two.found).toEqual(['musl@2 in 1', 'musl@1 in 0'])
  })

  test('ends on links that loop or lead out of the image', async () => {
    const { found } = await merge(
      [
        { path: 'a', type: 'symlink', linkname: 'b' },
        { path: 'b', type: 'symlink', linkname: '/a/x' },
        { path: 'up', type: 'symlink', linkname: '../../../srv' },
      ],
      [
        { path: 'a/node_modules/x/package.json', content: manifest('x') },
        { path: 'up/node_modules/y/package.json', content: manifest('y') },
        { path: 'srv/node_modules/.wh.y' },
      ],
    )
    expect(found).toEqual(['x@1.0.0 in 1', 'y@1.0.0 in 1'])
  })

  test('takes the distribution from the top, and tells databases nobody reads', async () => {
    const merged = await merge(
      [
        { path: 'etc/os-release', content: 'ID=debian\nVERSION_ID=11' },
        { path: 'opt/a.jar', content: 'x' },
        { path: 'var/lib/pacman/local/a/desc', content: 'x' },
        { path: 'var/lib/pacman/local/b/desc', content: 'x' },
        { path: 'var/lib/rpm/rpmdb.sqlite', content: 'x' },
      ],
      [
        { path: 'etc/os-release', type: 'symlink', linkname: '../usr/lib/os-release' },
        { path: 'usr/lib/os-release', content: 'ID=debian\nVERSION_ID=12' },
        { path: 'var/lib/.wh.rpm' },
      ],
    )
    expect(merged.os).toEqual({ id: 'debian', version: '12' })
    expect(merged.gaps).toEqual([
      '"opt/a.jar" is not a zip archive, or was cut',
      'pacman packages are not read: "var/lib/pacman/local/a/desc" and 1 more',
    ])
  })

  test('says when a link leads the package database to a place where it is not read', async () => {
    const { gaps } = await merge([
      { path: 'var/lib/dpkg', type: 'symlink', linkname: '/usr/lib/dpkg-db' },
      { path: 'usr/lib/dpkg-db/status', content: dpkgStatus('a@1') },
    ])
    expect(gaps).toEqual([
      '"var/lib/dpkg/status" is reached through a symbolic link at "usr/lib/dpkg-db/status", where it is not read',
    ])
  })

  test('sees what a naive union file system sees', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(layerOf, { minLength: 1, maxLength: 4 }), async (drawn) => {
        // Another version in each layer: a package that comes again unchanged keeps its first layer.
        const layers = drawn.map((entries, i) =>
          entries.map((entry) => ({ ...entry, content: entry.content?.replace('"1"', `"${i}"`) ?? '' })),
        )
        const tars = layers.map((entries) => tarOf(entries.map(({ type, ...entry }) => ({ ...entry, type }))))
        // Equal layers have one diffID: their number is the lowest.
        const inventories = await Promise.all(tars.map((tar) => inventoryOf(tar)))
        const seen = mergeLayers(inventories, defaultLimits).packages.map((p) => `${p.path} ${p.name} ${p.layer}`)
        const expected = [...unionOrSkip(layers)]
          .filter(([path, file]) => isManifest(path) && file.content.startsWith('{'))
          .map(([path, file]) => `${path} ${JSON.parse(file.content).name} ${inventories[file.layer]!.diffId}`)
        expect(seen.sort()).toEqual(expected.sort())
      }),
      { numRuns: 400 },
    )
  })
})

function unionOrSkip(layers: ModelEntry[][]) {
  try {
    return unionOf(layers)
  } catch (error) {
    fc.pre(!(error instanceof LinkLoop))
    throw error
  }
}

const isManifest = (path: string) => /(^|\/)node_modules\/[a-z]+\/package\.json$/.test(path)

// Small alphabets, so that layers meet. Links stay out of node_modules, where they only hide (see layer-visitor.ts).
const directory = fc.constantFrom('a', 'b', 'a/b', 'a/b/a', 'b/a')
const inside = fc.constantFrom('node_modules/x', 'node_modules/y', 'node_modules/x/node_modules/y')
const place = fc.oneof(
  directory,
  fc.tuple(directory, inside).map((parts) => parts.join('/')),
)
const entry: fc.Arbitrary<ModelEntry> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(directory, inside, fc.constantFrom('p', 'q', 'r')).map(([d, i, name]) => ({
      path: `${d}/${i}/package.json`,
      type: 'file' as const,
      content: JSON.stringify({ name, version: '1' }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(directory, inside)
      .map(([d, i]) => ({ path: `${d}/${i}/package.json`, type: 'file' as const, content: 'broken' })),
  },
  { weight: 1, arbitrary: place.map((path) => ({ path, type: 'file' as const, content: 'in the way' })) },
  { weight: 2, arbitrary: place.map((path) => ({ path, type: 'dir' as const })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(directory, fc.constantFrom('b', '/a', '../b', 'a/b', '/b/a', '..'))
      .map(([path, linkname]) => ({ path, type: 'symlink' as const, linkname })),
  },
  {
    weight: 3,
    arbitrary: place.map((path) => ({ path: path.replace(/([^/]+)$/, '.wh.$1'), type: 'file' as const, content: '' })),
  },
  { weight: 1, arbitrary: place.map((path) => ({ path: `${path}/.wh..wh..opq`, type: 'file' as const, content: '' })) },
)

/**
 * What a differ writes: each path once, nothing beneath the layer's own files and links, and each entry after the
 * directories above it.
 */
const differs: fc.Arbitrary<ModelEntry[]> = fc.array(entry, { maxLength: 7 }).map((entries) => {
  const kept = new Map<string, ModelEntry>()
  for (const candidate of entries) {
    const parents = candidate.path.split('/').map((_, depth, all) => all.slice(0, depth).join('/'))
    const above = parents.slice(1)
    if (kept.has(candidate.path) || above.some((path) => kept.has(path) && kept.get(path)!.type !== 'dir')) continue
    for (const path of above) if (!kept.has(path)) kept.set(path, { path, type: 'dir' })
    kept.set(candidate.path, candidate)
  }
  return [...kept.values()]
})

/** What a tool writes that builds layers by hand: one file without its directories, perhaps through a link below. */
const layerOf = fc.oneof({ weight: 3, arbitrary: differs }, { weight: 1, arbitrary: entry.map((one) => [one]) })
