/**
 * A valid zstd frame without compression (RFC 8878 section 3.1.1): raw blocks only. Node 20 has no encoder, and a
 * decoder has to follow the same frame structure whatever the block type.
 */
const MAGIC = 0xfd2fb528
/** Largest raw block: Block_Maximum_Size is 128 KiB. */
const BLOCK_BYTES_MAX = 131_072

export function zstdFrame(content: Uint8Array): Buffer {
  const head = Buffer.alloc(14)
  head.writeUInt32LE(MAGIC, 0)
  // Frame header descriptor: content size in 8 bytes (11), not a single segment, no checksum, no dictionary.
  head.writeUInt8(0b1100_0000, 4)
  // Window of 2^(10+7) = 128 KiB: a decoder needs no more memory than one block, however large the layer.
  head.writeUInt8(7 << 3, 5)
  head.writeBigUInt64LE(BigInt(content.length), 6)
  const parts: Uint8Array[] = [head]
  for (let at = 0; at < content.length || at === 0; at += BLOCK_BYTES_MAX) {
    const chunk = content.subarray(at, at + BLOCK_BYTES_MAX)
    const isLast = at + BLOCK_BYTES_MAX >= content.length
    const blockHead = Buffer.alloc(3)
    // Block header: last block flag, type 00 (raw), size.
    blockHead.writeUIntLE((chunk.length << 3) | (isLast ? 1 : 0), 0, 3)
    parts.push(blockHead, chunk)
  }
  return Buffer.concat(parts)
}
