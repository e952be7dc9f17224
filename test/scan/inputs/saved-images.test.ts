import { appendFileSync, readFileSync, truncateSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { memoryBlobs } from '../../../lib/blobs/memory.ts'
import { defaultLimits } from '../../../lib/config.ts'
import { type BuiltImage, image, index, layer, type TarEntry } from '../../../lib/local/demo/build.ts'
import { demoImage } from '../../../lib/local/demo/image.ts'
import { openDockerArchive } from '../../../lib/scan/inputs/docker-archive.ts'
import { openFiles } from '../../../lib/scan/inputs/files.ts'
import { openOciLayout } from '../../../lib/scan/inputs/oci-layout.ts'
import { readImage } from '../../../lib/scan/inputs/read-image.ts'
import type { SavedImage } from '../../../lib/scan/inputs/saved.ts'
import { scanWorld } from '../world.ts'
import { blobPath, dockerFiles, dockerList, folder, layoutFiles, tarFile, withIndex } from './saved-images.ts'

const limits = defaultLimits

function read(saved: SavedImage, changes: Partial<Parameters<typeof readImage>[0]> = {}) {
  return readImage({
    content: saved.content,
    repository: '',
    digest: saved.digest,
    blobs: memoryBlobs(),
    limits,
    signal: new AbortController().signal,
    tell: () => {},
    ...changes,
  })
}

const npm = (name: string) =>
  layer([{ path: `app/node_modules/${name}/package.json`, content: `{"name":"${name}","version":"1.0.0"}` }])
const app = (...names: string[]): BuiltImage => image({ layers: names.map(npm) })
const open = (path: string, name?: string) => openOciLayout(openFiles(path, limits), name, limits)
const openDocker = (path: string, name?: string) => openDockerArchive(openFiles(path, limits), name, limits)

describe('an image', () => {
  test('has the same inventory in a registry, an OCI layout, a tar of it and both forms of docker save', async () => {
    const demo = demoImage()
    const world = await scanWorld()
    using where = folder()
    try {
      const digest = await world.push(demo)
      const content = await world.open(world.registry.host)
      const expected = await read({ image: '', digest, content }, { repository: 'team/app' })
      expect(expected.packages.length).toBeGreaterThan(20)

      const files = layoutFiles({ 'shop:1.0': demo })
      for (const { path, content } of files) where.write(path, content!)
      const manifests = [{ Config: 'x', RepoTags: null, Layers: [] }]
      const since25 = [...files, { path: 'manifest.json', content: JSON.stringify(manifests) }]
      for (const saved of [
        await open(where.path),
        await open(tarFile(where, files)),
        await openDocker(tarFile(where, since25, 'since25.tar')),
      ])
        expect(await read(saved)).toEqual(expected)

      const [amd64] = demo.children as BuiltImage[]
      const archive = await openDocker(tarFile(where, dockerFiles({ 'shop:1.0': amd64! }), 'docker.tar'))
      const inventory = await read(archive)
      expect(archive.image).toBe('shop:1.0')
      // Docker keeps neither the manifest nor the packed layers; the image goes by its id.
      expect(inventory.digest).toBe(amd64!.config.descriptor.digest)
      const layers = expected.layers.map(({ diffId }) => ({ digest: diffId, diffId }))
      expect(inventory).toEqual({ ...expected, digest: inventory.digest, layers })
    } finally {
      await world.close()
    }
  })

  test('of several is chosen by name or tag; without one the names are told', async () => {
    using where = folder()
    const [one, two] = [app('one'), app('one', 'two')]
    const layout = tarFile(where, layoutFiles({ 'team/app:1': one, 'team/app:2': two }), 'oci.tar')
    const docker = tarFile(where, dockerFiles({ 'team/app:1': one, 'team/app:2': two }), 'docker.tar')
    expect((await open(layout, '2')).digest).toBe(two.manifest.descriptor.digest)
    // The first layer is a link to the one of the first image.
    expect((await read(await openDocker(docker, 'team/app:2'))).packages.map(({ name }) => name)).toEqual([
      'one',
      'two',
    ])
    await expect(open(layout)).rejects.toThrow(/holds 2 images: "team\/app:1", "team\/app:2". Name one behind the path/)
    await expect(openDocker(docker, 'team/app:3')).rejects.toThrow(/None is "team\/app:3"; name one behind/)
  })

  test('saved under several tags is found by each of them', async () => {
    using where = folder()
    const one = app('one')
    const files = layoutFiles({ 'team/app:1': one, 'team/app:2': one })
    const layout = tarFile(where, files)
    const { digest } = one.manifest.descriptor
    for (const [name, image] of [
      ['team/app:1', 'team/app:1'],
      ['team/app:2', 'team/app:2'],
      ['2', 'team/app:2'],
      [undefined, 'team/app:1'],
    ])
      expect(await open(layout, name)).toMatchObject({ digest, image })
  })

  test('since Docker 25 is found by the names in either list, and is one where both lists have it', async () => {
    using where = folder()
    const [one, two] = [app('one'), app('two')]
    const both = (listed: Parameters<typeof dockerList>[0], images: Parameters<typeof layoutFiles>[0]) =>
      tarFile(where, [...layoutFiles(images), dockerList(listed)])
    const known = one.manifest.descriptor.digest

    const file = both([[one, 'app:1', 'app:2']], { 'docker.io/library/app:1': one })
    for (const name of [undefined, 'app:1', 'app:2']) expect((await openDocker(file, name)).digest).toBe(known)
    expect((await openDocker(both([[one]], { 'app:1': one }))).digest).toBe(known)
    const platforms = index([one, image({ layers: [npm('arm')], platform: { os: 'linux', architecture: 'arm64' } })])
    const several = both([[one, 'app:1', 'app:2']], { 'app:1': platforms })
    expect((await openDocker(several, 'app:2')).digest).toBe(platforms.manifest.descriptor.digest)
    // Two manifests of one config are two images, though Docker knows one.
    const again = image({ layers: [npm('one')], manifest: { annotations: { again: 'yes' } } })
    const twice = both(
      [
        [one, 'app:1'],
        [one, 'app:2'],
      ],
      { 'app:1': one, 'app:2': again },
    )
    expect((await openDocker(twice, 'app:2')).digest).toBe(again.manifest.descriptor.digest)
    // A loader goes by one list or by the other.
    const contradiction = both([[two, 'app:1']], { 'app:1': one, 'app:2': two })
    await expect(openDocker(contradiction, 'app:1')).rejects.toThrow(/More than one is "app:1"/)
  })

  test.each([
    ['no entries', (files: TarEntry[]) => withIndex(files, () => null)],
    ['an entry too few', (files: TarEntry[]) => withIndex(files, (all) => all.slice(0, 1))],
  ])('that manifest.json has and an index.json with %s does not is read by its config', async (_, damaged) => {
    using where = folder()
    const [one, two] = [app('one'), app('one', 'two')]
    const files = damaged(layoutFiles({ 'app:1': one, 'app:2': two }))
    // Docker keeps the layers unpacked.
    const layers = two.layers.map(({ bytes, diffId }) => ({ path: blobPath(diffId), content: gunzipSync(bytes) }))
    const file = tarFile(where, [...files, ...layers, dockerList([[two, 'app:2']])])
    const saved = await openDocker(file, 'app:2')
    expect(saved).toMatchObject({ image: 'app:2', digest: two.config.descriptor.digest })
    expect((await read(saved)).packages.map(({ name }) => name)).toEqual(['one', 'two'])
  })

  test.each([
    ['config.json', (_: string) => 'config.json'],
    ['sha256:<hex>', (digest: string) => digest],
  ])('is one where manifest.json calls its config %s', async (_, called) => {
    using where = folder()
    const one = app('one')
    const Config = called(one.config.descriptor.digest)
    const list = JSON.stringify([{ Config, RepoTags: ['app:1', 'app:2'], Layers: ['x'] }])
    const file = tarFile(where, [
      ...layoutFiles({ 'docker.io/library/app:1': one }),
      { path: Config, content: one.config.bytes },
      { path: 'manifest.json', content: list },
    ])
    for (const name of [undefined, 'app:1', 'app:2'])
      expect((await openDocker(file, name)).digest).toBe(one.manifest.descriptor.digest)
  })

  const damage = (files: TarEntry[], { manifest }: BuiltImage): TarEntry[] =>
    files.map((file) =>
      file.path === blobPath(manifest.descriptor.digest) ? { ...file, content: `${file.content} ` } : file,
    )
  const tooMany = Array.from({ length: limits.manifestLayersMax + 1 }, () => npm('two').descriptor)
  const manifestOf = (manifest: Record<string, unknown>) => image({ layers: [npm('two')], manifest })

  test.each<[string, BuiltImage, typeof damage, RegExp]>([
    ['is damaged', app('two'), damage, /the manifest hashes to/],
    [
      'has a bad subject',
      manifestOf({ subject: { digest: 'nonsense' } }),
      (files) => files,
      /subject has no mediaType/,
    ],
    ['has too many layers', manifestOf({ layers: tooMany }), (files) => files, /layers has 513 entries/],
  ])('is read though another one of the archive %s, which fails where it is chosen', async (_, two, change, why) => {
    using where = folder()
    const one = app('one')
    const both = change(layoutFiles({ 'docker.io/library/app:1': one, 'docker.io/library/app:2': two }), two)
    const listed = dockerList([
      [one, 'app:1'],
      [two, 'app:2'],
    ])
    for (const file of [tarFile(where, both, 'a'), tarFile(where, [...both, listed], 'b')]) {
      expect((await read(await openDocker(file, 'app:1'))).packages.map(({ name }) => name)).toEqual(['one'])
      await expect(openDocker(file, 'app:2').then((saved) => read(saved))).rejects.toThrow(why)
    }
    // It is one image all the same.
    for (const [name, list] of [
      ['docker.io/library/app:2', dockerList([[two, 'app:2']])],
      ['', dockerList([[two]])],
    ] as const) {
      const alone = tarFile(where, [...change(layoutFiles({ [name]: two }), two), list])
      await expect(openDocker(alone).then((saved) => read(saved))).rejects.toThrow(why)
    }
  })

  test('of a layout is read when manifest.json cannot be', async () => {
    using where = folder()
    const one = app('one')
    const files = layoutFiles({ 'app:1': one })
    for (const content of ['nonsense', ' '.repeat(limits.manifestBytesMax + 1)]) {
      const file = tarFile(where, [...files, { path: 'manifest.json', content }])
      expect((await openDocker(file, 'app:1')).digest).toBe(one.manifest.descriptor.digest)
    }
  })

  test('without a name is not taken for the only one when index.json has lost another', async () => {
    using where = folder()
    const [one, two] = [app('one'), app('two')]
    const files = withIndex(layoutFiles({ '': one, x: two }), (all) => all.slice(0, 1))
    const file = tarFile(where, [...files, dockerList([[one], [two]])])
    await expect(openDocker(file)).rejects.toThrow(/holds 2 images/)
  })

  test('gives the platform asked for', async () => {
    using where = folder()
    const arm = image({ layers: [npm('arm')], platform: { os: 'linux', architecture: 'arm64' } })
    const file = tarFile(where, layoutFiles({ a: index([app('amd'), arm]) }))
    expect((await read(await open(file), { platform: 'linux/arm64' })).packages[0]?.name).toBe('arm')
    await expect(read(await open(file), { platform: 'linux/s390x' })).rejects.toThrow(/has no image for linux\/s390x/)
  })

  test('may hold a layer twice', async () => {
    using where = folder()
    const twice = image({ layers: [npm('one'), npm('two'), npm('one')] })
    const inventory = await read(await openDocker(tarFile(where, dockerFiles({ a: twice }))))
    expect(inventory.layers).toHaveLength(3)
    expect(inventory.packages.map(({ name }) => name)).toEqual(['one', 'two'])
  })

  test('that was read before is not read again, nor is a layer', async () => {
    using where = folder()
    const blobs = memoryBlobs()
    const told: string[] = []
    const tell = (sentence: string) => void told.push(sentence)
    await read(await open(tarFile(where, layoutFiles({ a: app('one') }))), { blobs })
    const second = await open(tarFile(where, layoutFiles({ a: app('one', 'two') })))
    await read(second, { blobs, tell })
    await read(second, { blobs, tell })
    expect(told.map((line) => line.replace(/sha256:\w+/g, '*').replace(/^layer \S+ /, ''))).toEqual([
      '* (linux/amd64) has 2 layers',
      expect.stringMatching(/^(read|known already): 1 packages$/),
      expect.stringMatching(/^(read|known already): 1 packages$/),
      '* was read before',
    ])
  })
})

describe('a file', () => {
  test('with other bytes than its digest says is refused, wherever they are', async () => {
    const one = app('one')
    const [blob] = one.layers
    const named = (digest: string) => digest.replace('sha256:', '')
    const broken = (path: string) =>
      layoutFiles({ a: one }).map((file) =>
        file.path.endsWith(path) ? { path: file.path, content: Buffer.from(file.content!).reverse() } : file,
      )
    using where = folder()
    for (const { descriptor } of [one.manifest, one.config, blob!]) {
      const file = tarFile(where, broken(named(descriptor.digest)))
      await expect(open(file).then((saved) => read(saved))).rejects.toMatchObject({ code: 'digest-mismatch' })
    }
    const shorter = layoutFiles({ a: one }).map((file) =>
      file.path.endsWith(named(blob!.descriptor.digest)) ? { ...file, content: 'x' } : file,
    )
    await expect(read(await open(tarFile(where, shorter)))).rejects.toMatchObject({ code: 'size-mismatch' })
    const without = layoutFiles({ a: one }).filter(({ path }) => !path.endsWith(named(blob!.descriptor.digest)))
    await expect(read(await open(tarFile(where, without)))).rejects.toMatchObject({ code: 'source-gone' })

    const docker = (change: (path: string) => boolean) =>
      openDocker(
        tarFile(
          where,
          dockerFiles({ a: one }).map((file) => (change(file.path) ? { ...file, content: `${file.content} ` } : file)),
        ),
      ).then((saved) => read(saved))
    await expect(docker((path) => /^[0-9a-f]{64}\.json$/.test(path))).rejects.toMatchObject({ code: 'digest-mismatch' })
    const other = dockerFiles({ a: one }).map((file) =>
      file.path.endsWith('layer.tar') ? { ...file, content: Buffer.alloc(1024) } : file,
    )
    await expect(read(await openDocker(tarFile(where, other)))).rejects.toMatchObject({ code: 'digest-mismatch' })
  })

  test.each<[string, (path: string) => void, RegExp]>([
    ['cut in the middle', (path) => truncateSync(path, 700), /it ends in the middle of a file; it was cut/],
    ['cut in a header', (path) => truncateSync(path, 300), /it was cut/],
    ['that is no archive', (path) => appendFileSync(path, 'x', { flag: 'w' }), /cannot be read as an image archive/],
    [
      'that is compressed',
      (path) => appendFileSync(path, gzipSync(readFileSync(path)), { flag: 'w' }),
      /it is compressed; unpack it first with gunzip/,
    ],
    ['that is empty', (path) => truncateSync(path, 0), /is no archive of docker save: it holds no manifest.json/],
  ])('%s is refused with what to do', async (_, damage, why) => {
    using where = folder()
    const path = tarFile(where, [{ path: 'big', content: Buffer.alloc(4_096) }])
    damage(path)
    await expect((async () => openDocker(path))()).rejects.toThrow(why)
  })

  test.each<[string, string, RegExp]>([
    ['no JSON', '{', /manifest.json in .* is not JSON/],
    ['no list', '{}', /holds no image/],
    ['a path out of it', '[{"Config":"../../etc/passwd","Layers":[]}]', /holds no "..\/..\/etc\/passwd"/],
    ['nothing in it', '[null]', /holds no ""/],
  ])('whose manifest.json is %s is refused', async (_, content, why) => {
    using where = folder()
    await expect(openDocker(tarFile(where, [{ path: 'manifest.json', content }]))).rejects.toThrow(why)
  })

  test('of an old Docker, with more entries than the limit, or that is not there is refused', async () => {
    using where = folder()
    const old = tarFile(where, [{ path: 'repositories', content: '{}' }])
    await expect(openDocker(old)).rejects.toThrow(/was saved by a Docker before 1.10/)
    const many = tarFile(
      where,
      Array.from({ length: 101 }, (_, i) => ({ path: `f${i}`, content: '' })),
    )
    expect(() => openFiles(many, { ...limits, archiveEntriesMax: 100 })).toThrow(/more than 100 entries/)
    expect(() => openFiles(`${where.path}/none`, limits)).toThrow(/there is no file or folder/)
  })
})
