import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { image, index, layer } from '../../lib/local/demo/build.ts'
import { choosePlatform, fits, parsePlatform } from '../../lib/scan/platform.ts'
import { findSubject } from '../../lib/scan/target.ts'
import { type ScanWorld, scanWorld } from './world.ts'

const content = layer([{ path: 'a', content: 'a' }])
const of = (platform: string) => image({ layers: [content], platform: parsePlatform(platform) })

describe('choosing what to scan', () => {
  let world: ScanWorld
  let pushed = 0
  beforeAll(async () => {
    world = await scanWorld()
  })
  afterAll(() => world.close())

  const find = async (built: Parameters<ScanWorld['push']>[0], asked?: string) => {
    const digest = await world.push(built, `t${++pushed}`)
    const client = await world.open(world.registry.host)
    return findSubject(digest, asked === undefined ? undefined : parsePlatform(asked), {
      client,
      repository: 'team/app',
      limits: defaultLimits,
      signal: new AbortController().signal,
    })
  }
  const codeOf = (run: Promise<unknown>) =>
    run.then(
      () => 'no error',
      (error) => (error instanceof LongshoreError ? error.code : `not ours: ${error}`),
    )

  test('an index gives linux/amd64 unless another platform is asked for', async () => {
    const images = ['linux/arm64/v8', 'linux/amd64', 'linux/arm/v6', 'linux/arm/v7'].map(of)
    const all = index(images)
    const digests = images.map((one) => one.manifest.descriptor.digest)
    expect(await find(all)).toMatchObject({ kind: 'image', digest: digests[1], platform: 'linux/amd64' })
    expect(await find(all, 'linux/arm64')).toMatchObject({ digest: digests[0], platform: 'linux/arm64/v8' })
    expect(await find(all, 'linux/arm')).toMatchObject({ digest: digests[3] })
    expect(await find(all, 'linux/arm/v6')).toMatchObject({ digest: digests[2] })
  })

  test('a platform that is not there is told with those that are', async () => {
    const error = await find(index([of('linux/arm64'), of('windows/amd64')])).catch((e) => e)
    expect(error.code).toBe('platform-not-found')
    expect(error.message).toContain('it has: linux/arm64, windows/amd64')
  })

  test('a single image is taken as it is, and checked when a platform was asked for', async () => {
    expect(await find(of('linux/s390x'))).toMatchObject({ platform: 'linux/s390x' })
    expect(await find(of('linux/s390x'), 'linux/s390x')).toMatchObject({ kind: 'image' })
    expect(await codeOf(find(of('linux/s390x'), 'linux/amd64'))).toBe('platform-not-found')
  })

  test('attestations are never taken, by index or alone', async () => {
    const attestation = image({
      layers: [{ ...content, descriptor: { ...content.descriptor, mediaType: 'application/vnd.in-toto+json' } }],
      platform: { os: 'unknown', architecture: 'unknown' },
    })
    const all = index([attestation, of('linux/amd64')])
    expect(await find(all)).toMatchObject({ kind: 'image', platform: 'linux/amd64' })
    expect(await find(attestation)).toMatchObject({ kind: 'artifact', what: 'application/vnd.in-toto+json' })
  })

  test('children without a platform are looked into, and indexes in indexes too', async () => {
    const plain = of('linux/amd64')
    const other = of('linux/arm64')
    delete plain.manifest.descriptor.platform
    delete other.manifest.descriptor.platform
    expect(await find(index([other, plain]))).toMatchObject({ digest: plain.manifest.descriptor.digest })
    expect(await find(index([index([other]), index([plain])]))).toMatchObject({ platform: 'linux/amd64' })
    expect(await codeOf(find(index([other])))).toBe('platform-not-found')
  })

  test('what is no container image is an artifact', async () => {
    const chart = image({
      layers: [content],
      manifest: {
        config: {
          ...of('linux/amd64').config.descriptor,
          mediaType: 'application/vnd.cncf.helm.config.v1+json',
        },
      },
    })
    expect(await find(chart)).toMatchObject({ kind: 'artifact', what: 'application/vnd.cncf.helm.config.v1+json' })
    const signature = image({ layers: [content], manifest: { artifactType: 'application/vnd.example.sig' } })
    expect(await find(signature)).toMatchObject({ kind: 'artifact', what: 'application/vnd.example.sig' })
  })

  test('a config that does not fit its manifest is refused', async () => {
    const lying = image({ layers: [content], config: { rootfs: { type: 'layers', diff_ids: [] } } })
    expect(await codeOf(find(lying))).toBe('manifest-invalid')
    const strange = image({ layers: [content], config: { rootfs: { type: 'layers', diff_ids: ['md5:1'] } } })
    expect(await codeOf(find(strange))).toBe('manifest-invalid')
  })

  test('an image without layers is an image', async () => {
    expect(await find(image({ layers: [] }))).toMatchObject({ kind: 'image', layers: [] })
  })

  test('layers that cannot be had or are encrypted are named as unreadable', async () => {
    const typed = (mediaType: string) => ({ ...content, descriptor: { ...content.descriptor, mediaType } })
    const found = await find(
      image({
        layers: [
          content,
          typed('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
          typed('application/vnd.oci.image.layer.v1.tar+gzip+encrypted'),
        ],
      }),
    )
    expect(found).toMatchObject({
      layers: [{}, { unreadable: expect.stringContaining('distributed') }, { unreadable: 'it is encrypted' }],
    })
  })
})

test('a variant counts only when it was asked for, and plain arm64 is v8', () => {
  expect(fits(parsePlatform('linux/arm64'), parsePlatform('linux/arm64/v8'))).toBe(true)
  expect(fits(parsePlatform('linux/arm/v6'), parsePlatform('linux/arm'))).toBe(true)
  expect(fits(parsePlatform('linux/arm/v6'), parsePlatform('linux/arm/v7'))).toBe(false)
})

test('at most twenty platforms are listed', () => {
  const children = [...Array(30)].map((_, i) => ({
    mediaType: '',
    digest: `${i}`,
    size: 1,
    platform: { os: 'linux', architecture: `a${i}` },
  }))
  expect(() => choosePlatform(children, parsePlatform('linux/amd64'), 'x')).toThrow(/linux\/a19 and 10 more/)
})
