/** Zip archives, honest and not. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface Part {
  name: string
  content: Buffer | string
  /** Packed by deflate unless it is stored. */
  stored?: boolean
  /** What the headers say instead of the truth. */
  size?: number
  method?: number
}

/** `prefix` stands before the archive, as before an executable jar; places are counted from the archive's start. */
export function zipOf(parts: Part[], prefix: Buffer = Buffer.alloc(0)): Buffer {
  const bodies: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const part of parts) {
    const content = Buffer.from(part.content as string)
    const packed = part.stored ? content : deflateRawSync(content)
    const name = Buffer.from(part.name)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(name.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50, 0)
    entry.writeUInt16LE(part.method ?? (part.stored ? 0 : 8), 10)
    entry.writeUInt32LE(crc32(content), 16)
    entry.writeUInt32LE(packed.length, 20)
    entry.writeUInt32LE(part.size ?? content.length, 24)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(at, 42)
    bodies.push(local, name, packed)
    directory.push(entry, name)
    at += 30 + name.length + packed.length
  }
  const table = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(parts.length, 8)
  end.writeUInt16LE(parts.length, 10)
  end.writeUInt32LE(table.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([prefix, ...bodies, table, end])
}
