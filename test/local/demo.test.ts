import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { strFromU8, unzipSync } from 'fflate'
import { decompress } from 'fzstd'
import semver from 'semver'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { demoAdvisoriesFolder, writeDemoAdvisories } from '../../lib/local/demo/advisories.ts'
import { type BuiltImage, image, layer, tarOf, zstdFrame } from '../../lib/local/demo/build.ts'
import { debianPackages } from '../../lib/local/demo/debian.ts'
import { demoImage, seedDemo } from '../../lib/local/demo/image.ts'
import { push } from '../../lib/local/demo/push.ts'
import { startRegistry } from '../../lib/local/registry/server.ts'
import { listTar } from '../fixtures/tar-listing.ts'

const root = join(import.meta.dirname, '../..')
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

interface Affected {
  package: { ecosystem: string; name: string; purl: string }
  ranges: { type: string; events: Record<string, string>[] }[]
}
interface OsvRecord {
  schema_version: string
  id: string
  aliases?: string[]
  upstream?: string[]
  published: string
  modified: string
  withdrawn?: string
  summary: string
  severity?: { type: string; score: string }[]
  affected: Affected[]
  references: { type: string; url: string }[]
}

describe('the image builders', () => {
  test('make layers that decompress to the tar their diffID names', () => {
    const entries = [
      { path: 'a/' },
      { path: 'a/file', content: 'hello' },
      { path: 'a/link', type: 'symlink', linkname: 'file' },
    ] as const
    const tar = tarOf(entries)
    const gzip = layer(entries)
    const zstd = layer(entries, { compression: 'zstd' })
    const none = layer(entries, { compression: 'none' })

    expect(gunzipSync(gzip.bytes).equals(tar)).toBe(true)
    expect(Buffer.from(decompress(zstd.bytes)).equals(tar)).toBe(true)
    expect(none.descriptor.digest).toBe(sha256(tar))
    for (const l of [gzip, zstd, none]) {
      expect(l.diffId).toBe(sha256(tar))
      expect(l.descriptor).toMatchObject({ digest: sha256(l.bytes), size: l.bytes.length })
    }
    expect(zstd.descriptor.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+zstd')
    expect(listTar(tar).map((e) => [e.path, e.type, e.linkname, e.content.toString()])).toEqual([
      ['a/', '5', '', ''],
      ['a/file', '0', '', 'hello'],
      ['a/link', '2', 'file', ''],
    ])
  })

  test.each([0, 1, 131_071, 131_072, 131_073, 400_000])('make a zstd frame of %i bytes that decoders read', (size) => {
    const content = Buffer.alloc(size, 'longshore ')
    expect(Buffer.from(decompress(zstdFrame(content))).equals(content)).toBe(true)
  })

  test('put paths that do not fit ustar into pax records whose length is right', () => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`
    const tar = tarOf([
      { path: long, content: 'x' },
      { path: 'ä', content: 'y' },
    ])
    const [header, , second] = listTar(tar)
    expect(header?.type).toBe('x')
    expect(header?.content.toString()).toBe(`${header?.content.length} path=${long}\n`)
    expect(second?.content.toString()).toBe('11 path=ä\n')
    expect(listTar(tarOf([{ path: `${'p'.repeat(90)}/${'n'.repeat(90)}` }]))[0]?.path.length).toBe(181)
  })
})

describe('the demo image', () => {
  const built = demoImage()
  const platform = (index: number) => built.children[index] as BuiltImage
  const layers = (of: BuiltImage) => of.layers.map((l) => listTar(gunzipSync(l.bytes)))

  test('is the same bytes every time', () => {
    expect(demoImage().manifest.descriptor.digest).toBe(built.manifest.descriptor.digest)
  })

  test('has two platforms that share all layers but the first, and is small', () => {
    const [amd64, arm64] = [platform(0), platform(1)]
    const document = JSON.parse(Buffer.from(built.manifest.bytes).toString())
    expect(document.manifests.map((m: { platform: object }) => m.platform)).toEqual([
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
    ])
    const digests = [amd64, arm64].map((i) => i.layers.map((l) => l.descriptor.digest))
    expect(digests[0]?.slice(1)).toEqual(digests[1]?.slice(1))
    expect(digests[0]?.[0]).not.toBe(digests[1]?.[0])
    const total = [amd64, arm64].flatMap((i) => i.layers).reduce((sum, l) => sum + l.bytes.length, 0)
    expect(total).toBeLessThan(300_000)
  })

  test('tells the diffIDs of its layers in its config', () => {
    for (const child of [platform(0), platform(1)]) {
      const config = JSON.parse(Buffer.from(child.config.bytes).toString())
      expect(config.rootfs.diff_ids).toEqual(child.layers.map((l) => sha256(gunzipSync(l.bytes))))
      expect(config.history).toHaveLength(child.layers.length)
      expect(config.os).toBe('linux')
    }
  })

  test('describes its packages as dpkg does, per architecture', () => {
    const status =
      layers(platform(1))[0]
        ?.find((e) => e.path === 'var/lib/dpkg/status')
        ?.content.toString() ?? ''
    const stanzas = status.trimEnd().split('\n\n')
    expect(stanzas).toHaveLength(debianPackages.length)
    expect(stanzas.length).toBeGreaterThan(60)
    for (const stanza of stanzas)
      for (const field of ['Package', 'Status', 'Maintainer', 'Architecture', 'Version', 'Description'])
        expect(stanza).toMatch(new RegExp(`^${field}: \\S`, 'm'))
    expect(status).toContain('Package: libssl3\n')
    expect(stanzas.find((s) => s.startsWith('Package: libssl3\n'))).toMatch(/^Source: openssl$/m)
    expect(stanzas.find((s) => s.startsWith('Package: libuuid1\n'))).toMatch(/^Source: util-linux \(2\.38\.1-5\)$/m)
    expect(stanzas.find((s) => s.startsWith('Package: tzdata\n'))).toMatch(/^Architecture: all$/m)
    expect(stanzas.find((s) => s.startsWith('Package: libc6\n'))).toMatch(/^Architecture: arm64$/m)
  })

  test('deletes node-fetch with a whiteout and hides a directory as opaque', () => {
    const [base, app, cleanup] = layers(platform(0))
    const paths = (entries: { path: string }[] = []) => entries.map((e) => e.path)
    expect(paths(app)).toContain('srv/shop/node_modules/node-fetch/package.json')
    expect(paths(cleanup)).toContain('srv/shop/node_modules/.wh.node-fetch')
    expect(paths(app)).toContain('opt/migrate/node_modules/ansi-regex/package.json')
    expect(paths(cleanup)).toContain('opt/migrate/node_modules/.wh..wh..opq')
    expect(paths(app)).toContain('srv/shop/node_modules/async/node_modules/lodash/package.json')
    expect(paths(app)).toContain('srv/shop/node_modules/@grpc/grpc-js/package.json')
    expect(base?.find((e) => e.path === 'etc/os-release')).toMatchObject({
      type: '2',
      linkname: '../usr/lib/os-release',
    })
  })

  test('is pushed once: a second seed asks and finds it', async () => {
    const registry = await startRegistry()
    try {
      const digest = await seedDemo(registry.host)
      expect(digest).toBe(built.manifest.descriptor.digest)
      registry.requests.length = 0
      expect(await seedDemo(registry.host)).toBe(digest)
      expect(registry.requests.map((r) => `${r.method} ${r.path}`)).toEqual(['HEAD /v2/demo/shop/manifests/1.0'])
    } finally {
      await registry.close()
    }
  })

  test('a registry that refuses is told with its answer', async () => {
    const registry = await startRegistry({
      hooks: (r) => (r.method === 'POST' ? { status: 507, body: 'disk full' } : undefined),
    })
    try {
      await expect(push(registry.url, 'a', '1', image({ layers: [] }))).rejects.toMatchObject({
        code: 'registry-invalid',
        message: expect.stringContaining('disk full'),
      })
    } finally {
      await registry.close()
    }
  })
})

describe('the demo advisories', async () => {
  const records: { file: string; ecosystem: string; record: OsvRecord }[] = []
  for (const ecosystem of await readdir(demoAdvisoriesFolder(root)))
    for (const file of await readdir(join(demoAdvisoriesFolder(root), ecosystem)))
      records.push({
        file,
        ecosystem,
        record: JSON.parse(await readFile(join(demoAdvisoriesFolder(root), ecosystem, file), 'utf8')),
      })
  const record = (id: string) => records.find((r) => r.record.id === id)?.record

  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longshore-demo-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('are a few dozen, of several severities, with and without a fix', () => {
    expect(records.length).toBeGreaterThanOrEqual(25)
    expect(records.length).toBeLessThanOrEqual(45)
    const events = records.flatMap((r) => r.record.affected).flatMap((a) => a.ranges[0]?.events ?? [])
    expect(events.some((e) => e.fixed)).toBe(true)
    expect(records.some((r) => !r.record.withdrawn && !JSON.stringify(r.record).includes('"fixed"'))).toBe(true)
    expect(records.some((r) => !r.record.severity)).toBe(true)
    expect(records.filter((r) => r.record.withdrawn)).toHaveLength(1)
    expect(record('DSA-5532-1')?.upstream).toEqual(record('DEBIAN-CVE-2023-5363')?.upstream)
  })

  test.each(records)('$record.id has the shape of OSV and concerns the demo image', ({ file, ecosystem, record }) => {
    expect(file).toBe(`${record.id}.json`)
    expect(record.schema_version).toMatch(/^1\.[6-9]\./)
    for (const time of [record.published, record.modified, record.withdrawn ?? record.modified])
      expect(new Date(time).toISOString().replace('.000Z', 'Z')).toBe(time)
    expect(record.published <= record.modified).toBe(true)
    expect(record.summary.length).toBeGreaterThan(10)
    expect([...(record.aliases ?? []), ...(record.upstream ?? [])].every((id) => /^CVE-\d{4}-\d{4,}$/.test(id))).toBe(
      true,
    )
    for (const { type, score } of record.severity ?? []) expect(score).toMatch(VECTORS[type] ?? /never/)
    for (const reference of record.references) expect(new URL(reference.url).protocol).toBe('https:')
    expect(record.affected.length).toBeGreaterThan(0)
    for (const affected of record.affected) {
      expect(affected.package.ecosystem).toBe(ecosystem === 'Debian' ? 'Debian:12' : ecosystem)
      expect(installed(affected.package).length).toBeGreaterThan(0)
      for (const range of affected.ranges) {
        expect(range.type).toBe(ecosystem === 'npm' ? 'SEMVER' : 'ECOSYSTEM')
        expect(Object.keys(range.events[0] ?? {})).toEqual(['introduced'])
        for (const event of range.events.slice(1)) expect(Object.keys(event)).toEqual(['fixed'])
      }
    }
  })

  test('name npm ranges that hold the versions the image has, but for those that show what is not reported', () => {
    const hits = (id: string) =>
      record(id)?.affected.flatMap((a) =>
        installed(a.package).filter((version) =>
          a.ranges.some(({ events: [from, to] }) => {
            const introduced = from?.introduced === '0' ? '0.0.0' : (from?.introduced ?? '')
            return semver.gte(version, introduced) && semver.lt(version, to?.fixed ?? '')
          }),
        ),
      )
    const none = records.filter((r) => r.ecosystem === 'npm' && hits(r.record.id)?.length === 0)
    expect(none.map((r) => r.record.id)).toEqual(['GHSA-4w2v-q235-vp99'])
    expect(hits('GHSA-p6mc-m468-83gw')).toEqual(['4.17.15'])
    expect(hits('GHSA-35jh-r3h4-6jhm')?.sort()).toEqual(['4.17.15', '4.17.20'])
  })

  test('include flaws of the catalogue of known exploited ones that is bundled', async () => {
    const path = join(root, 'demo/enrichment/known_exploited_vulnerabilities.json')
    const catalogue = JSON.parse(await readFile(path, 'utf8'))
    expect(catalogue.count).toBe(catalogue.vulnerabilities.length)
    for (const { cveID } of catalogue.vulnerabilities)
      expect(records.some((r) => r.record.upstream?.includes(cveID))).toBe(true)
  })

  test('are packed as OSV publishes them, with the same bytes every time', async () => {
    const written = await writeDemoAdvisories(root, folder)
    expect(written.map((w) => [w.ecosystem, w.path])).toEqual([
      ['Debian', join(folder, 'Debian', 'all.zip')],
      ['npm', join(folder, 'npm', 'all.zip')],
    ])
    const first = await Promise.all(written.map((w) => readFile(w.path)))
    for (const [i, zip] of first.entries()) {
      const files = unzipSync(zip)
      expect(Object.keys(files)).toHaveLength(written[i]?.records ?? -1)
      for (const [name, bytes] of Object.entries(files))
        expect(JSON.parse(strFromU8(bytes))).toEqual(record(name.replace('.json', '')))
    }
    const before = await stat(written[0]?.path ?? '')
    await writeDemoAdvisories(root, folder)
    expect((await stat(written[0]?.path ?? '')).mtimeMs).toBe(before.mtimeMs)
    await rm(folder, { recursive: true })
    await writeDemoAdvisories(root, folder)
    expect(await Promise.all(written.map((w) => readFile(w.path)))).toEqual(first)
  })

  test('that are not where they should be are told with the place', async () => {
    await expect(writeDemoAdvisories(folder, folder)).rejects.toMatchObject({
      code: 'advisories-invalid',
      message: expect.stringContaining(join(folder, 'demo', 'advisories')),
    })
  })
})

const VECTORS: Record<string, RegExp> = {
  CVSS_V3: /^CVSS:3\.[01]\/AV:[NALP]\/AC:[LH]\/PR:[NLH]\/UI:[NR]\/S:[UC]\/C:[NLH]\/I:[NLH]\/A:[NLH]$/,
  CVSS_V4:
    /^CVSS:4\.0\/AV:[NALP]\/AC:[LH]\/AT:[NP]\/PR:[NLH]\/UI:[NPA]\/VC:[HLN]\/VI:[HLN]\/VA:[HLN]\/SC:[HLN]\/SI:[HLN]\/SA:[HLN]$/,
}

/** Versions of a package that any layer of the demo image brings: the source version for Debian. */
function installed({ ecosystem, name }: { ecosystem: string; name: string }): string[] {
  if (ecosystem === 'Debian:12') return debianPackages.filter((p) => p.source === name).map((p) => p.sourceVersion)
  const [, ...layers] = (demoImage().children[0] as BuiltImage).layers
  return layers
    .flatMap((l) => listTar(gunzipSync(l.bytes)))
    .filter((e) => e.path.endsWith(`node_modules/${name}/package.json`))
    .map((e) => JSON.parse(e.content.toString()).version)
}
