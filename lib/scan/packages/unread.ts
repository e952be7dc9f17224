/**
 * Package databases that are recognised but not read. A scan says so: an image with such a database and no findings is
 * not clean, it is not known.
 */

const PACMAN = /^var\/lib\/pacman\/local\/[^/]+\/desc$/
/** CBL-Mariner's and Azure Linux's distroless images keep a list instead of a database. */
const RPM_MANIFEST = 'var/lib/rpmmanifest/container-manifest-2'

/** What kind of packages the file at this path tells, when no analyzer reads them. */
export function unreadKind(path: string): string | undefined {
  if (!path.startsWith('var/lib/')) return undefined
  if (path === RPM_MANIFEST) return 'rpm'
  return PACMAN.test(path) ? 'pacman' : undefined
}
