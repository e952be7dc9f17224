import { describe, expect, test } from 'vitest'
import { parseManifest } from '../../lib/oci/manifest.ts'
import { MEDIA_TYPES } from '../../lib/oci/types.ts'
import { digestOf, testLimits } from './server.ts'

const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf('x'), size: 1 }
const image = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: blob, layers: [blob] }
const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [blob] }

const parse = (value: unknown, contentType?: string, digest?: string) => {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  return parseManifest(bytes, { what: 'r.example/app:1', contentType, digest, limits: testLimits })
}

describe('manifests', () => {
  test('an image and an index are read, Content-Type parameters ignored', () => {
    expect(parse(image, `${MEDIA_TYPES.ociManifest}; charset=utf-8`).layers).toHaveLength(1)
    expect(parse(index).manifests?.[0]?.digest).toBe(blob.digest)
    expect(parse({ ...image, mediaType: undefined }).mediaType).toBe(MEDIA_TYPES.ociManifest)
    expect(parse({ ...image, mediaType: MEDIA_TYPES.dockerManifest }).mediaType).toBe(MEDIA_TYPES.dockerManifest)
  })

  test.each<[string, unknown, string | undefined, string]>([
    ['not JSON', '<html>', undefined, 'manifest-invalid'],
    ['a list', [], undefined, 'manifest-invalid'],
    ['null', null, undefined, 'manifest-invalid'],
    ['invalid UTF-8 in JSON', '"\ud800"', undefined, 'manifest-invalid'],
    ['both layers and manifests', { ...image, manifests: [] }, undefined, 'manifest-invalid'],
    ['neither layers nor manifests', { schemaVersion: 2 }, undefined, 'manifest-invalid'],
    ['Content-Type against mediaType', image, MEDIA_TYPES.ociIndex, 'manifest-invalid'],
    ['mediaType against shape', { ...image, mediaType: MEDIA_TYPES.ociIndex }, undefined, 'manifest-invalid'],
    ['Content-Type against shape', { ...image, mediaType: undefined }, MEDIA_TYPES.ociIndex, 'manifest-invalid'],
    ['no config', { ...image, config: undefined }, undefined, 'manifest-invalid'],
    ['a negative size', { ...image, layers: [{ ...blob, size: -1 }] }, undefined, 'manifest-invalid'],
    ['a size that is no integer', { ...image, layers: [{ ...blob, size: 1.5 }] }, undefined, 'manifest-invalid'],
    ['a size beyond exact numbers', { ...image, layers: [{ ...blob, size: 2 ** 60 }] }, undefined, 'manifest-invalid'],
    ['a path as digest', { ...image, layers: [{ ...blob, digest: '../../x' }] }, undefined, 'manifest-invalid'],
    ['too many layers', { ...image, layers: Array(513).fill(blob) }, undefined, 'manifest-invalid'],
    ['too many children', { ...index, manifests: Array(1_025).fill(blob) }, undefined, 'manifest-invalid'],
    ['Docker schema 1', { schemaVersion: 1, fsLayers: [] }, undefined, 'unsupported-media-type'],
    ['an unknown media type', { ...image, mediaType: 'application/x' }, undefined, 'unsupported-media-type'],
    ['4 MiB and a byte', ' '.repeat(4_194_305), undefined, 'manifest-too-large'],
  ])('%s is refused', (_, value, contentType, code) => {
    expect(() => parse(value, contentType)).toThrow(expect.objectContaining({ code }))
  })

  test('a flipped byte is a digest mismatch', () => {
    const bytes = Buffer.from(JSON.stringify(image))
    const digest = digestOf(bytes)
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      const call = () => parseManifest(flipped, { what: 'it', digest, limits: testLimits })
      expect(call).toThrow(expect.objectContaining({ code: 'digest-mismatch' }))
    }
  })

  test('an annotation named __proto__ is only a key', () => {
    const text = JSON.stringify(index).replace('"size":1', '"size":1,"annotations":{"__proto__":"x"}')
    expect(Object.keys(parse(text).manifests?.[0]?.annotations ?? {})).toEqual(['__proto__'])
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })
})
