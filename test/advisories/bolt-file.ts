/**
 * Writes small bbolt files (https://github.com/etcd-io/bbolt), so that tests can say what a trivy.db holds. Every bucket
 * is inline, which bbolt does for small ones only; a reader cannot tell.
 */

/** A bucket by the names of what is in it; text is a value. */
export interface BoltBucket {
  [name: string]: BoltBucket | string
}

const PAGE_BYTES = 4_096
const PAGE_HEADER_BYTES = 16
const ELEMENT_BYTES = 16
const META = 0x04
const LEAF = 0x02

function leafPage(bucket: BoltBucket): Buffer {
  const entries = Object.entries(bucket)
    .map(([name, content]) => {
      const isBucket = typeof content !== 'string'
      // Root 0: the page stands right here, after the header.
      const value = isBucket ? Buffer.concat([Buffer.alloc(16), leafPage(content)]) : Buffer.from(content)
      return { key: Buffer.from(name), value, isBucket }
    })
    .sort((a, b) => Buffer.compare(a.key, b.key))
  const head = Buffer.alloc(PAGE_HEADER_BYTES + entries.length * ELEMENT_BYTES)
  head.writeUInt16LE(LEAF, 8)
  head.writeUInt16LE(entries.length, 10)
  let data = head.length
  entries.forEach(({ key, value, isBucket }, i) => {
    const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES
    head.writeUInt32LE(isBucket ? 1 : 0, at)
    head.writeUInt32LE(data - at, at + 4)
    head.writeUInt32LE(key.length, at + 8)
    head.writeUInt32LE(value.length, at + 12)
    data += key.length + value.length
  })
  return Buffer.concat([head, ...entries.flatMap(({ key, value }) => [key, value])])
}

function checksum(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash
}

function metaPage(id: number, pages: number): Buffer {
  const page = Buffer.alloc(PAGE_BYTES)
  page.writeBigUInt64LE(BigInt(id), 0)
  page.writeUInt16LE(META, 8)
  page.writeUInt32LE(0xed0cdaed, 16)
  page.writeUInt32LE(2, 20)
  page.writeUInt32LE(PAGE_BYTES, 24)
  page.writeBigUInt64LE(2n, 32)
  // No list of free pages, and where new ones begin: who opens the file to write must not write over what is there.
  page.writeBigUInt64LE(0xffffffffffffffffn, 48)
  page.writeBigUInt64LE(BigInt(pages), 56)
  page.writeBigUInt64LE(BigInt(id), 64)
  page.writeBigUInt64LE(checksum(page.subarray(16, 72)), 72)
  return page
}

export function boltFile(root: BoltBucket): Buffer {
  const page = leafPage(root)
  const pages = Math.ceil(page.length / PAGE_BYTES)
  // Inline pages have no number.
  page.writeBigUInt64LE(2n, 0)
  page.writeUInt32LE(pages - 1, 12)
  return Buffer.concat([
    metaPage(0, 2 + pages),
    metaPage(1, 2 + pages),
    page,
    Buffer.alloc(pages * PAGE_BYTES - page.length),
  ])
}
