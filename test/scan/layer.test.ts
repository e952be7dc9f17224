import { Readable } from 'node:stream'
import { createGzip, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { tarOf, zstdFrame } from '../../lib/local/demo/build.ts'
import { readLayer } from '../../lib/scan/layer.ts'
import { mergeLayers } from '../../lib/scan/merge.ts'
import { ANALYZER_VERSION } from '../../lib/scan/model.ts'
import { body, END, file, header, inventoryOf, sha256 } from './archives.ts'

const codeOf = async (run: Promise<unknown>) =>
  run.then(
    () => 'no error',
    (error) => (error instanceof LongshoreError ? error.code : `not ours: ${error}`),
  )
const STATUS = 'Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\nArchitecture: amd64\nSource: zlib\n'
const manifest = (name: string, version: string) => JSON.stringify({ name, version })

describe('reading a layer', () => {
  test('keeps package databases, the distribution, whiteouts, links and places, and forgets the rest', async () => {
    const tar = tarOf([
      { path: './' },
      { path: './lib', type: 'symlink', linkname: 'usr/lib' },
      { path: './var/lib/dpkg/' },
      { path: './var/lib/dpkg/status', content: STATUS },
      { path: './var/lib/dpkg/status.d/tzdata', content: 'Package: tzdata\nVersion: 2024a\n' },
      { path: './var/lib/dpkg/status.d/tzdata.md5sums', content: 'x' },
      { path: './usr/lib/os-release', content: 'ID=debian\nVERSION_ID="12"\n' },
      { path: './app/node_modules/a/package.json', content: manifest('a', '1.0.0') },
      { path: './app/node_modules/a/lib/package.json', content: manifest('not-a-package', '1.0.0') },
      { path: './app/package.json', content: manifest('the-app', '1.0.0') },
      { path: './app/.wh.old' },
      { path: './srv/data/.wh..wh..opq' },
      { path: './srv/.wh..wh.plnk' },
      { path: './usr/bin/tool', content: 'ELF' },
      { path: './usr/src/app', content: 'a program where a directory was' },
    ])
    const inventory = await inventoryOf(tar)
    expect(inventory).toMatchObject({
      analyzer: ANALYZER_VERSION,
      diffId: sha256(tar),
      bytes: tar.length,
      entries: 15,
      databases: ['app/node_modules/a/package.json', 'var/lib/dpkg/status', 'var/lib/dpkg/status.d/tzdata'],
      osFiles: { 'usr/lib/os-release': 'ID=debian\nVERSION_ID="12"\n' },
      whiteouts: ['app/old'],
      opaque: ['srv/data'],
      shadows: ['app/package.json', 'usr/src/app'],
      directories: ['var/lib/dpkg'],
      links: { lib: 'usr/lib' },
      gaps: [],
    })
    expect(inventory.packages).toEqual([
      { kind: 'npm', name: 'a', version: '1.0.0', path: 'app/node_modules/a/package.json' },
      {
        kind: 'dpkg',
        name: 'zlib1g',
        version: '1:1.2',
        architecture: 'amd64',
        source: { name: 'zlib', version: '1:1.2' },
        path: 'var/lib/dpkg/status',
      },
      {
        kind: 'dpkg',
        name: 'tzdata',
        version: '2024a',
        source: { name: 'tzdata', version: '2024a' },
        path: 'var/lib/dpkg/status.d/tzdata',
      },
    ])
  })

  test('gives the same inventory for gzip, zstd and plain layers', async () => {
    const tar = tarOf([{ path: 'var/lib/dpkg/status', content: STATUS }])
    const gzip = await inventoryOf(tar)
    expect(gzip.packages).toHaveLength(1)
    expect(await inventoryOf(tar, { packed: zstdFrame(tar) })).toEqual(gzip)
    expect(await inventoryOf(tar, { packed: tar })).toEqual(gzip)
  })

  test('refuses an archive that is not the one the config names', async () => {
    const tar = tarOf([{ path: 'a', content: 'x' }])
    expect(await codeOf(inventoryOf(tar, { diffId: `sha256:${'0'.repeat(64)}` }))).toBe('digest-mismatch')
  })

  test('names the layer in every error', async () => {
    await expect(inventoryOf(Buffer.alloc(4096, 0x41))).rejects.toThrow(/^layer sha256:blob: the tar archive/)
    expect(await codeOf(inventoryOf(END, { packed: gzipSync(END).subarray(0, -6) }))).toBe('layer-invalid')
  })

  test('takes an empty archive', async () => {
    expect((await inventoryOf(END)).entries).toBe(0)
    expect((await inventoryOf(Buffer.alloc(0), { packed: Buffer.alloc(0) })).entries).toBe(0)
  })

  test('passes over a package.json of 100 MB in bounded memory, and says so (fault 18)', async () => {
    const size = 100 * 1024 * 1024
    const block = Buffer.alloc(1024 * 1024, ' ')
    const parts = function* () {
      yield header('app/node_modules/huge/package.json', size)
      for (let i = 0; i < 100; i++) yield block
      yield file('app/node_modules/small/package.json', manifest('small', '1.0.0'))
      yield END
    }
    const { createHash } = await import('node:crypto')
    const hash = createHash('sha256')
    for (const part of parts()) hash.update(part)
    const inventory = await readLayer(
      {
        digest: 'sha256:blob',
        diffId: `sha256:${hash.digest('hex')}`,
        open: async () => Readable.from(parts(), { objectMode: false }).pipe(createGzip({ level: 1 })),
      },
      defaultLimits,
    )
    expect(inventory.packages.map(({ name }) => name)).toEqual(['small'])
    expect(inventory.fileGaps).toEqual({
      'app/node_modules/huge/package.json': ['was not read because it has more than 1048576 bytes'],
    })
    // It still hides whatever a lower layer has there.
    expect(inventory.shadows).toEqual(['app/node_modules/huge/package.json'])
  })

  test('tells what could not be read, one sentence each, and at most so many', async () => {
    const bad = [...Array(80)].map((_, i) => ({ path: `node_modules/p${i}/package.json`, content: '{' }))
    const inventory = await inventoryOf(
      tarOf([...bad, { path: 'node_modules/ok/package.json', content: manifest('ok', '1') }]),
    )
    expect(inventory.packages).toHaveLength(1)
    expect(Object.keys(inventory.fileGaps!)).toHaveLength(defaultLimits.gapsMax)
    const { gaps } = mergeLayers([inventory], defaultLimits)
    expect(gaps).toHaveLength(defaultLimits.gapsMax + 1)
    expect(gaps).toContain('"node_modules/p10/package.json" is not JSON')
    expect(gaps.at(-1)).toBe('30 more such places are not listed')
  })

  test('says of each database that it cannot be read, but not of those that an OS package owns', async () => {
    const inventory = await inventoryOf(
      tarOf([
        { path: 'var/lib/rpm/rpmdb.sqlite', content: 'x' },
        { path: 'opt/app/app.jar', content: 'x' },
        { path: 'usr/local/lib/python3.11/site-packages/flask-1.0.dist-info/METADATA', content: 'x' },
        { path: 'usr/lib/python3/dist-packages/six-1.0.egg-info', content: 'owned by dpkg' },
        { path: 'var/lib/dpkg/status', content: 'Package: python3-six\nStatus: install ok installed\nVersion: 1\n' },
        {
          path: 'var/lib/dpkg/info/python3-six.list',
          content: '/.\n/usr/lib/python3/dist-packages/six-1.0.egg-info\n',
        },
        { path: 'var/lib/pacman/local/zlib-1.3-1/desc', content: '%NAME%' },
      ]),
    )
    expect(inventory.fileGaps).toEqual({
      'opt/app/app.jar': ['is not a zip archive, or was cut'],
      'usr/local/lib/python3.11/site-packages/flask-1.0.dist-info/METADATA': ['has no name or version'],
      'var/lib/rpm/rpmdb.sqlite': ['is an rpm database of a format that is not known'],
    })
    expect(inventory.unread).toEqual({ 'var/lib/pacman/local/zlib-1.3-1/desc': 'pacman' })
  })

  test('follows hard links to files it kept, and reads the layer again for those it did not', async () => {
    let opened = 0
    const tar = tarOf([
      { path: 'node_modules/a/package.json', content: manifest('a', '1.0.0') },
      { path: 'app/node_modules/a/package.json', type: 'hardlink', linkname: 'node_modules/a/package.json' },
      { path: 'root/.pnpm-store/files/00/abc', content: manifest('b', '2.0.0') },
      { path: 'usr/app/node_modules/b/package.json', type: 'hardlink', linkname: 'root/.pnpm-store/files/00/abc' },
      { path: 'usr/app/node_modules/c/package.json', type: 'hardlink', linkname: 'not/in/this/layer' },
    ])
    const inventory = await readLayer(
      {
        digest: 'sha256:blob',
        diffId: sha256(tar),
        open: async () => {
          opened++
          return Readable.from([gzipSync(tar)], { objectMode: false })
        },
      },
      defaultLimits,
    )
    expect(opened).toBe(2)
    expect(inventory.packages.map(({ name, path }) => [name, path])).toEqual([
      ['a', 'app/node_modules/a/package.json'],
      ['a', 'node_modules/a/package.json'],
      ['b', 'usr/app/node_modules/b/package.json'],
    ])
    expect(inventory.gaps).toEqual([
      '"usr/app/node_modules/c/package.json" is a hard link to "not/in/this/layer", which this layer does not hold',
    ])
  })

  test('reads the content of hard links once for each name that could matter, however many links there are', async () => {
    const linksTo = (paths: string[]) => [
      { path: 'store/content', content: manifest('b', '2.0.0') },
      ...paths.map((path) => ({ path, type: 'hardlink' as const, linkname: 'store/content' })),
    ]
    const parsed = vi.spyOn(JSON, 'parse')
    const apps = await inventoryOf(
      tarOf(linksTo(Array.from({ length: 500 }, (_, i) => `a${i}/node_modules/b/package.json`))),
    )
    expect(parsed.mock.calls.length).toBeLessThan(10)
    parsed.mockRestore()
    expect(apps.packages).toHaveLength(500)
    expect(new Set(apps.packages.map(({ path }) => path)).size).toBe(500)
    // dpkg's single files are each read by their own name.
    const singles = await inventoryOf(
      tarOf(linksTo(Array.from({ length: 40 }, (_, i) => `var/lib/dpkg/status.d/p${i}`))),
    )
    const gaps = Object.values(singles.fileGaps ?? {}).flat()
    expect(gaps.filter((gap) => gap.includes('more than 16 differently named hard links'))).toHaveLength(24)
  })

  test('reads a hard link as the content that stood at its target just then, also when the target comes twice', async () => {
    const link = (path: string) => ({ path, type: 'hardlink' as const, linkname: 'store/x' })
    const inventory = await inventoryOf(
      tarOf([
        { path: 'store/x', content: manifest('b', '1.0.0') },
        link('a1/node_modules/b/package.json'),
        { path: 'store/x', content: manifest('b', '2.0.0') },
        link('a2/node_modules/b/package.json'),
      ]),
    )
    expect(inventory.packages.map(({ path, version }) => [path[1], version])).toEqual([
      ['1', '1.0.0'],
      ['2', '2.0.0'],
    ])
  })

  test('bounds the paths it remembers, and says that the result is not whole', async () => {
    const whiteouts = [...Array(3000)].map((_, i) => ({ path: `d/${'x'.repeat(60)}/.wh.${i}` }))
    const limits = { ...defaultLimits, layerKeptPathBytesMax: 65_536 }
    const inventory = await inventoryOf(tarOf(whiteouts), { limits })
    expect(inventory.whiteouts.length).toBeLessThan(600)
    expect(inventory.gaps[0]).toContain('layerKeptPathBytesMax')
  })

  test('keeps nothing of a hundred thousand small files', async () => {
    const block = header('x', 0)
    const many: Buffer[] = []
    for (let i = 0; i < 100_000; i++) many.push(block)
    const inventory = await inventoryOf(Buffer.concat([...many.map((b) => b), END]))
    expect(inventory.entries).toBe(100_000)
    expect(JSON.stringify(inventory).length).toBeLessThan(600)
  })

  test('survives entries named __proto__ and links that loop', async () => {
    const inventory = await inventoryOf(
      tarOf([
        { path: '__proto__', type: 'symlink', linkname: 'constructor' },
        { path: 'constructor', type: 'symlink', linkname: '__proto__' },
        { path: 'a', type: 'symlink', linkname: 'b' },
        { path: 'b', type: 'symlink', linkname: 'a' },
        { path: 'a/node_modules/x/package.json', content: '{"__proto__":{"name":"p"},"name":"x","version":"1"}' },
      ]),
    )
    expect(inventory.packages.map(({ name }) => name)).toEqual(['x'])
    expect(({} as { name?: string }).name).toBeUndefined()
  })

  test('answers any contents of databases with packages or gaps', async () => {
    const path = fc.constantFrom(
      'var/lib/dpkg/status',
      'var/lib/dpkg/status.d/x',
      'lib/apk/db/installed',
      'node_modules/x/package.json',
      'etc/os-release',
    )
    const piece = fc.constantFrom(
      'Package: a\n',
      'Version: 1\n',
      'Status: install ok installed\n',
      '\n',
      'P:a\n',
      'V:1\n',
      '{',
      '"name":',
      '"a"',
      ',',
      '}',
      '\0',
      '[',
      ':',
      'ID=',
    )
    const content = fc.array(fc.oneof(piece, fc.string()), { maxLength: 20 }).map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ path, content }), { maxLength: 4 }), async (entries) => {
        const inventory = await inventoryOf(
          Buffer.concat([
            ...entries.map((e) => Buffer.concat([header(e.path, Buffer.byteLength(e.content)), body(e.content)])),
            END,
          ]),
        )
        for (const found of inventory.packages) expect(found.name).toMatch(/^\S+$/)
      }),
      { numRuns: 100 },
    )
  })
})
