/** The records of a pax extended header (POSIX.1-2017, pax): `<length> <key>=<value>\n`, length counting itself. */

/** Keys that change which file an entry is; all others (times, xattrs) are passed over. */
const KEYS = new Set(['path', 'linkpath', 'size', 'GNU.sparse.name'])

/**
 * The records a scan needs, or undefined when the header cannot be read. An empty value takes a record back, as POSIX
 * says. Any `GNU.sparse.*` key sets `GNU.sparse`: the content is then a map and pieces.
 */
export function readPax(body: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>()
  let at = 0
  while (at < body.length) {
    // Some writers pad with NUL to the end of the block.
    if (body[at] === 0) return records
    const space = body.indexOf(0x20, at)
    if (space < 0 || space - at > 10) return undefined
    const digits = body.toString('latin1', at, space)
    const end = at + Number(digits)
    if (!/^\d+$/.test(digits) || end > body.length || end <= space + 1 || body[end - 1] !== 0x0a) return undefined
    const equals = body.indexOf(0x3d, space + 1)
    if (equals < 0 || equals >= end) return undefined
    const key = body.toString('utf8', space + 1, equals)
    if (key.startsWith('GNU.sparse.')) records.set('GNU.sparse', '1')
    if (KEYS.has(key)) {
      if (equals + 1 === end - 1) records.delete(key)
      else records.set(key, body.toString('utf8', equals + 1, end - 1))
    }
    at = end
  }
  return records
}
