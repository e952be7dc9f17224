/**
 * Layers made to use up time or memory, as streams that are made while they are read. `scale` says how much of
 * what a name says is made: all of it takes minutes.
 */
import { createHash } from 'node:crypto'
import { constants, crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { body, END, file, header } from '../archives.ts'
import { type Part, zipOf } from '../packages/zips.ts'

export interface HostileLayer {
  /** Of the archive. */
  diffId: string
  packed(): Iterable<Buffer>
  packedBytes: number
  plainBytes: number
}

const MIB = 1_048_576
const ZEROS = Buffer.alloc(MIB)

/** The digest of chunks that come so often each. */
function digestOf(parts: Iterable<[chunk: Buffer, times: number]>): string {
  const hash = createHash('sha256')
  for (const [chunk, times] of parts) for (let i = 0; i < times; i++) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}

/** Size as base 256, for what is too large for octal digits. */
const sized = (size: number) => (block: Buffer) => {
  block.fill(0, 124, 136)
  block[124] = 0x80
  block.writeBigUInt64BE(BigInt(size), 128)
}

/** One gzip member, 1032:1: a file of so many MiB of zeros, made of one packed MiB that comes again and again. */
function zeros(mebibytes: number): HostileLayer {
  const head = header('srv/zeros', 0, '0', sized(mebibytes * MIB))
  const tail = Buffer.concat([file('node_modules/last/package.json', '{"name":"last","version":"1"}'), END])
  const flushed = (bytes: Buffer) => deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH, level: 9 })
  const [first, again, last] = [flushed(head), flushed(ZEROS), deflateRawSync(tail)]
  let sum = crc32(head)
  for (let i = 0; i < mebibytes; i++) sum = crc32(ZEROS, sum)
  const end = Buffer.alloc(8)
  end.writeUInt32LE(crc32(tail, sum), 0)
  end.writeUInt32LE((head.length + mebibytes * MIB + tail.length) % 2 ** 32, 4)
  return {
    diffId: digestOf([
      [head, 1],
      [ZEROS, mebibytes],
      [tail, 1],
    ]),
    *packed() {
      yield Buffer.concat([Buffer.from('1f8b0800000000000003', 'hex'), first])
      for (let i = 0; i < mebibytes; i++) yield again
      yield Buffer.concat([last, end])
    },
    packedBytes: 18 + first.length + again.length * mebibytes + last.length,
    plainBytes: head.length + mebibytes * MIB + tail.length,
  }
}

/** Members or frames of a block each, in lots of a thousand. */
function members(count: number, pack: (block: Buffer) => Buffer): HostileLayer {
  const entry = header('srv/empty', 0)
  const lot = Buffer.concat(Array.from({ length: 1_000 }, () => pack(entry)))
  const lots = count / 1_000
  return {
    diffId: digestOf([
      [entry, count],
      [END, 1],
    ]),
    *packed() {
      for (let i = 0; i < lots; i++) yield lot
      yield pack(END)
    },
    packedBytes: lot.length * lots,
    plainBytes: entry.length * count + END.length,
  }
}

/** A zstd frame of one raw block: 9 bytes of wrapping around what is packed. */
function frame(block: Buffer): Buffer {
  const head = Buffer.from('28b52ffd6000000000', 'hex')
  // A single segment with a content size of two bytes, which counts from 256.
  head.writeUInt16LE(block.length - 256, 5)
  head.writeUIntLE((block.length << 3) | 1, 7, 2)
  const body = Buffer.concat([head.subarray(0, 7), Buffer.alloc(3), block])
  body.writeUIntLE((block.length << 3) | 1, 7, 3)
  return body
}

/** Plain, made while it is read: entries with a path each, all of one length, with a byte of content or none. */
function entries(count: number, pathOf: (i: number) => string, content: string): HostileLayer {
  const length = pathOf(0).length
  const one = Buffer.concat([header('', content.length), content === '' ? Buffer.alloc(0) : body(content)])
  const sum = one.subarray(0, 512).reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
  // A thousand at once: only paths and checksums differ, and to make them anew costs more than to read them.
  const lotOf = (from: number) => {
    const lot = Buffer.concat(Array.from({ length: Math.min(1_000, count - from) }, () => one))
    for (let at = 0, i = from; at < lot.length; at += one.length, i++) {
      lot.write(pathOf(i), at, 'latin1')
      let checksum = sum
      for (let k = at; k < at + length; k++) checksum += lot[k]!
      lot.write(`${checksum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
    }
    return lot
  }
  const plain = function* () {
    for (let from = 0; from < count; from += 1_000) yield lotOf(from)
    yield file('node_modules/last/package.json', '{"name":"last","version":"1"}')
    yield END
  }
  const hash = createHash('sha256')
  let plainBytes = 0
  for (const chunk of plain()) {
    hash.update(chunk)
    plainBytes += chunk.length
  }
  return { diffId: `sha256:${hash.digest('hex')}`, packed: plain, packedBytes: plainBytes, plainBytes }
}

/** A manifest of so many MiB, and one after it that is as it should be. */
function hugeManifest(mebibytes: number, begin: string): HostileLayer {
  const filler = Buffer.alloc(MIB, begin)
  const parts: [Buffer, number][] = [
    [header('app/node_modules/huge/package.json', mebibytes * MIB), 1],
    [filler, mebibytes],
    [Buffer.concat([file('node_modules/last/package.json', '{"name":"last","version":"1"}'), END]), 1],
  ]
  return {
    diffId: digestOf(parts),
    *packed() {
      for (const [chunk, times] of parts) for (let i = 0; i < times; i++) yield chunk
    },
    packedBytes: mebibytes * MIB,
    plainBytes: mebibytes * MIB,
  }
}

/** Links, each to the next, and a manifest behind each of the last ones. */
function linkChain(count: number): HostileLayer {
  const link = (from: string, to: string) =>
    header(from, 0, '2', (block) => {
      block.write(to, 157, 100, 'latin1')
    })
  const blocks = Array.from({ length: count }, (_, i) => link(`usr/l${i}`, `l${i + 1}`))
  const manifests = Array.from({ length: 200 }, (_, i) =>
    file(`usr/l${i}/node_modules/p${i}/package.json`, `{"name":"p${i}","version":"1"}`),
  )
  const loops = [link('opt/a', 'b'), link('opt/b', 'a'), link('opt/c', 'c/c/c'), link('opt/d', '../opt/d/../d')]
  const looped = ['a', 'b', 'c', 'd'].map((name) =>
    file(`opt/${name}/node_modules/q/package.json`, '{"name":"q","version":"1"}'),
  )
  const tar = Buffer.concat([...blocks, ...loops, ...manifests, ...looped, END])
  return {
    diffId: digestOf([[tar, 1]]),
    packed: () => [gzipSync(tar)],
    packedBytes: tar.length,
    plainBytes: tar.length,
  }
}

/** Sixteen jars in each of sixteen jars, and so on for six floors: 16 million files of a megabyte of zeros, were all read. */
function jarOfJars(): HostileLayer {
  const sixteen = (part: (i: number) => Part) => zipOf(Array.from({ length: 16 }, (_, i) => part(i)))
  let jar = sixteen((i) => ({ name: `META-INF/maven/g/a${i}/pom.properties`, content: ZEROS }))
  for (let floor = 0; floor < 5; floor++) jar = sixteen((i) => ({ name: `lib/${i}.jar`, content: jar }))
  const tar = Buffer.concat([
    header('opt/app/bomb.jar', jar.length),
    body(jar),
    file('node_modules/last/package.json', '{"name":"last","version":"1"}'),
    END,
  ])
  return {
    diffId: digestOf([[tar, 1]]),
    packed: () => [gzipSync(tar)],
    packedBytes: tar.length,
    plainBytes: tar.length,
  }
}

const number = (i: number): string => String(i).padStart(8, '0')

/** By what they are; `scale` is 1 for as large as the name says. */
export const LAYERS = {
  'ten GB of zeros in ten MB of gzip': (scale: number) => zeros(Math.round(10_000 * scale)),
  'a million gzip members': (scale: number) => members(1_000_000 * scale, (block) => gzipSync(block, { level: 1 })),
  'a million zstd frames': (scale: number) => members(1_000_000 * scale, frame),
  'ten million entries': (scale: number) => members(10_000_000 * scale, (block) => block),
  'three million tiny files': (scale: number) =>
    entries(3_000_000 * scale, (i) => `srv/data/${number(i).slice(0, 5)}/${number(i)}.txt`, 'x'),
  'three million files in node_modules': (scale: number) =>
    entries(3_000_000 * scale, (i) => `app/node_modules/p${number(i)}/package.json`, ''),
  'a package.json of 100 MB': () => hugeManifest(100, ' '),
  'a package.json of 100 MB of open brackets': () => hugeManifest(100, '['),
  'a jar of jars of jars': jarOfJars,
  'a chain of a hundred thousand links': (scale: number) => linkChain(100_000 * scale),
} satisfies Record<string, (scale: number) => HostileLayer>

export type LayerName = keyof typeof LAYERS
