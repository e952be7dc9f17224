/** Tar archives from entries: ustar (POSIX.1-1988) with pax headers (POSIX.1-2001) where a field does not fit. */
export interface TarEntry {
  path: string
  content?: string | Uint8Array
  /** Default: `dir` when the path ends in `/`, else `file`. */
  type?: keyof typeof TYPES
  mode?: number
  /** Target of a link. */
  linkname?: string
  uid?: number
  gid?: number
  /** Seconds since the epoch; default 0, so that equal entries give equal bytes. */
  mtime?: number
  /** More pax records for this entry. */
  pax?: Record<string, string>
}

const TYPES = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', dir: '5', fifo: '6' } as const
const BLOCK = 512

/** The archive, ended by two zero blocks. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const parts: Uint8Array[] = []
  for (const entry of entries) {
    const type = entry.type ?? (entry.path.endsWith('/') ? 'dir' : 'file')
    const content =
      typeof entry.content === 'string' ? Buffer.from(entry.content) : (entry.content ?? new Uint8Array(0))
    const name = placed(entry.path)
    const pax: Record<string, string> = { ...entry.pax }
    if (!name) pax.path = entry.path
    if (Buffer.byteLength(entry.linkname ?? '') > 100) pax.linkpath = entry.linkname ?? ''
    if (content.length > 0o77777777777) pax.size = String(content.length)
    if (Object.keys(pax).length > 0) {
      const records = Buffer.from(Object.entries(pax).map(paxRecord).join(''))
      parts.push(
        header({ path: 'PaxHeader' }, 'x', records.length, { name: 'PaxHeader', prefix: '' }),
        ...padded(records),
      )
    }
    parts.push(header(entry, TYPES[type], content.length, name ?? { name: cut(entry.path), prefix: '' }))
    parts.push(...padded(content))
  }
  parts.push(Buffer.alloc(2 * BLOCK))
  return Buffer.concat(parts)
}

/** The path in ustar's name (100 bytes) and prefix (155 bytes), split at a slash; `undefined` if it does not fit. */
function placed(path: string): { name: string; prefix: string } | undefined {
  const bytes = Buffer.from(path)
  // Names beyond ASCII are told by pax: ustar does not say their encoding.
  if (bytes.some((b) => b > 126)) return undefined
  if (bytes.length <= 100) return { name: path, prefix: '' }
  for (let slash = path.indexOf('/'); slash > 0 && slash <= 155; slash = path.indexOf('/', slash + 1)) {
    const name = path.slice(slash + 1)
    if (name !== '' && name.length <= 100) return { name, prefix: path.slice(0, slash) }
  }
  return undefined
}

const cut = (path: string) => Buffer.from(path).subarray(0, 100).toString('latin1')

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord([key, value]: [string, string]): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function padded(content: Uint8Array): Uint8Array[] {
  const rest = content.length % BLOCK
  return rest === 0 ? [content] : [content, Buffer.alloc(BLOCK - rest)]
}

function header(entry: TarEntry, type: string, size: number, place: { name: string; prefix: string }): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
  block.write(place.name, 0, 100, 'latin1')
  octal(entry.mode ?? (type === '5' ? 0o755 : 0o644), 100, 8)
  octal(entry.uid ?? 0, 108, 8)
  octal(entry.gid ?? 0, 116, 8)
  octal(size, 124, 12)
  octal(entry.mtime ?? 0, 136, 12)
  block.write(entry.linkname ?? '', 157, 100, 'utf8')
  block.write(type, 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  octal(0, 329, 8)
  octal(0, 337, 8)
  block.write(place.prefix, 345, 155, 'latin1')
  // The checksum is the sum of all bytes with the checksum field itself as spaces.
  block.fill(' ', 148, 156)
  const sum = block.reduce((a, b) => a + b, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
