/** The records of a pax extended header (POSIX.1-2017, pax): `<length> <key>=<value>\n`, length counting itself. */

const MAJOR = 'GNU.sparse.major'
const MINOR = 'GNU.sparse.minor'
const MAP = 'GNU.sparse.map'
/** Keys that change which file an entry is; all others (times, xattrs) are passed over. */
const KEYS = new Set(['path', 'linkpath', 'size', 'GNU.sparse.name', MAJOR, MINOR, MAP])

const SPARSE_VERSIONS = new Set(['0.0', '0.1', '1.0'])

/** Whether the content is pieces of a file, as Go sees it: by the version; without one, by the map. */
export function isSparsePax(records: ReadonlyMap<string, string>): boolean {
  const version = `${records.get(MAJOR) ?? ''}.${records.get(MINOR) ?? ''}`
  return version === '.' ? records.has(MAP) : SPARSE_VERSIONS.has(version)
}

/**
 * The records a scan needs, or undefined when the header cannot be read. An empty value takes a record back, as POSIX
 * says. Version 0.0 of sparse files has a map in pieces, which stands for one that is whole.
 */
export function readPax(body: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>()
  const set = (key: string, value: string) => void (value === '' ? records.delete(key) : records.set(key, value))
  const map: string[] = []
  let at = 0
  // Some writers pad with NUL to the end of the block.
  while (at < body.length && body[at] !== 0) {
    const space = body.indexOf(0x20, at)
    if (space < 0 || space - at > 10) return undefined
    const digits = body.toString('latin1', at, space)
    const end = at + Number(digits)
    if (!/^\d+$/.test(digits) || end > body.length || end <= space + 1 || body[end - 1] !== 0x0a) return undefined
    const equals = body.indexOf(0x3d, space + 1)
    if (equals < 0 || equals >= end) return undefined
    const key = body.toString('utf8', space + 1, equals)
    const value = () => body.toString('utf8', equals + 1, end - 1)
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') map.push(value())
    else if (KEYS.has(key)) set(key, value())
    at = end
  }
  if (map.length > 0) set(MAP, map.join(','))
  return records
}
