import { expect, test } from 'vitest'
import type { Json } from '../../lib/glossary.ts'
import type { SavedUpload } from '../../lib/oci/uploads-saved.ts'
import { readCheckpoint, writeCheckpoint } from '../../lib/replicate/checkpoint.ts'
import { digestOf } from '../oci/server.ts'

const upload = (offset: number, more: Partial<SavedUpload> = {}): SavedUpload => ({
  location: `https://r.example/v2/a/blobs/uploads/1?_state=${'s'.repeat(500)}`,
  offset,
  hash: Buffer.alloc(116).toString('base64'),
  restarts: 1,
  ...more,
})
const digest = digestOf('x')

test('a checkpoint comes back as it was written', () => {
  const uploads = new Map([
    [digest, upload(5, { doubted: true, chunkBytesMin: 7 })],
    [digestOf('y'), upload(9)],
  ])
  const checkpoint = { ...readCheckpoint(undefined), copied: 3, bytes: 10, sent: 12, rate: 1_000, stuck: 1, uploads }
  expect(readCheckpoint(JSON.parse(JSON.stringify(writeCheckpoint(checkpoint, 8_192))))).toEqual(checkpoint)
})

test('a checkpoint never outgrows the record: uploads with the most bytes are kept', () => {
  const uploads = new Map(Array.from({ length: 64 }, (_, n) => [digestOf(`${n}`), upload(n + 1)]))
  const written = writeCheckpoint({ ...readCheckpoint(undefined), uploads }, 8_192)
  expect(Buffer.byteLength(JSON.stringify(written))).toBeLessThan(8_192 + 200)
  const kept = [...readCheckpoint(written).uploads.values()].map(({ offset }) => offset)
  expect(kept.length).toBeGreaterThanOrEqual(6)
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => 64 - n))
})

test('the checkpoint of the version before, and one of nonsense, are read as what they tell', () => {
  expect(readCheckpoint({ copied: 2, mounted: 0, bytes: 7, sourceRequests: 3, targetRequests: 4, stuck: 1 })).toEqual({
    ...readCheckpoint(undefined),
    copied: 2,
    bytes: 7,
    sourceRequests: 3,
    targetRequests: 4,
    stuck: 1,
  })
  for (const value of [null, 7, 'x', [], { copied: -1, bytes: 1.5, uploads: {} }])
    expect(readCheckpoint(value)).toEqual(readCheckpoint(undefined))
})

test.each([
  [{ digest: 'sha256:no' }],
  [{ location: 'not a url' }],
  [{ location: `https://r.example/${'x'.repeat(5_000)}` }],
  [{ offset: -1 }],
  [{ offset: 1.5 }],
  [{ offset: '5' }],
  [{ hash: '<script>' }],
  [{ hash: 'A'.repeat(5_000) }],
] as { [name: string]: Json }[][])('an upload with %j is begun anew', (wrong) => {
  const entry = { digest, ...upload(5) }
  expect(readCheckpoint({ uploads: [entry] }).uploads.size).toBe(1)
  expect(readCheckpoint({ uploads: [{ ...entry, ...wrong }] }).uploads.size).toBe(0)
})
