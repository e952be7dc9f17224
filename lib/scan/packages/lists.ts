/**
 * dpkg's lists of the files of a package, by a name each: `info/<package>` for `var/lib/dpkg/info/<package>.list`,
 * `status.d/<file>` for the checksums that distroless images keep beside `var/lib/dpkg/status.d/<file>`.
 */

const FOLDER = 'var/lib/dpkg/'
const LIST = /^(info\/[^/]+)\.list$|^(status\.d\/[^/]+)\.md5sums$/

/** The name of the list at this path, if it is one. Lists hold no packages themselves. */
export function listAt(path: string): string | undefined {
  if (!path.startsWith(FOLDER)) return undefined
  const found = LIST.exec(path.slice(FOLDER.length))
  return found?.[1] ?? found?.[2]
}

/** Of a package, with its architecture behind a colon when the package may be there for several. */
export const dpkgList = (name: string): string => `info/${name}`
export const singleList = (file: string): string => `status.d/${file}`
