/** Paths inside an image as pure strings: `a/b/c`, no leading slash, no `.`, `..` or empty segment. */

const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)|\0/

/** False also for some clean ones: most paths need no more than this. */
const isClean = (path: string): boolean =>
  path !== '' &&
  !path.endsWith('/') &&
  !path.startsWith('/') &&
  !path.startsWith('.') &&
  !path.includes('/.') &&
  !path.includes('//') &&
  !path.includes('\0')

/**
 * The path of a tar entry in its one spelling; the root itself is the empty string. Undefined when it cannot be a path
 * inside the image: it holds a NUL, or a `..` segment, which no honest archive needs.
 */
export function normalizePath(path: string): string | undefined {
  if (isClean(path)) return path
  // As most archives write a directory, or everything.
  const bare = path.slice(path.startsWith('./') ? 2 : 0, path.endsWith('/') ? -1 : undefined)
  if (!UNCLEAN.test(bare)) return bare
  if (path.includes('\0')) return undefined
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') return undefined
    if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return segments.join('/')
}

/** Everything before the last slash; empty for a path of one segment. */
export const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/** The last segment. */
export const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)

export const joinPath = (parent: string, name: string) => (parent === '' ? name : `${parent}/${name}`)

/** A path in a message: printable, at most 200 characters. */
export function showPath(path: string): string {
  const text = JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}...` : path)
  return text.replace(/[\x7f-\x9f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
