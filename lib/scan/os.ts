/** Which distribution an image is: os-release(5), with the older files of Debian and Alpine as a fallback. */

/** Files that tell the distribution, best first: `/etc/os-release` takes precedence (os-release(5)). */
export const OS_FILES = ['etc/os-release', 'usr/lib/os-release', 'etc/alpine-release', 'etc/debian_version'] as const

/** Bytes of such a file that are read; real ones have a few hundred. */
export const OS_FILE_BYTES_MAX = 65_536

/** A value of an os-release file: a shell assignment without expansion. */
function unquote(value: string): string {
  const quote = value[0]
  if ((quote === '"' || quote === "'") && value.length > 1 && value.endsWith(quote)) value = value.slice(1, -1)
  return quote === "'" ? value : value.replace(/\\(["$`\\])/g, '$1')
}

const KNOWN = new Set(['ID', 'VERSION_ID', 'PRETTY_NAME', 'NAME'])
const PLAIN = /^[a-zA-Z0-9._+~-]{0,64}$/

function readOsRelease(text: string): { id: string; version: string; name?: string } | undefined {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    const key = line.slice(0, at).trim()
    if (at > 0 && KNOWN.has(key)) values.set(key, unquote(line.slice(at + 1).trim()))
  }
  const id = (values.get('ID') ?? '').toLowerCase()
  const version = values.get('VERSION_ID') ?? ''
  if (!id || !PLAIN.test(id) || !PLAIN.test(version)) return undefined
  const name = (values.get('PRETTY_NAME') ?? values.get('NAME') ?? '').replace(/[\x00-\x1f\x7f]/g, ' ').slice(0, 128)
  return name ? { id, version, name } : { id, version }
}

/**
 * The distribution by the texts of `OS_FILES`, or undefined when none tells. `version` is VERSION_ID as it stands
 * ("12", "3.19.1", "22.04"), empty for rolling releases such as Debian sid, which have none.
 */
export function readOs(
  files: Readonly<Record<string, string>>,
): { id: string; version: string; name?: string } | undefined {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    const os = Object.hasOwn(files, path) ? readOsRelease(files[path]!) : undefined
    if (os) return os
  }
  const alpine = Object.hasOwn(files, 'etc/alpine-release') ? files['etc/alpine-release']!.trim() : ''
  if (/^\d+\.\d+[\w.]{0,32}$/.test(alpine)) return { id: 'alpine', version: alpine }
  // "12.5" names the point release; advisories know the release. "trixie/sid" has no number.
  const debian = Object.hasOwn(files, 'etc/debian_version') ? files['etc/debian_version']!.trim() : ''
  if (/^\d+(\.\d+)*$/.test(debian)) return { id: 'debian', version: debian.split('.')[0]! }
  if (/^[a-z]+\/sid$/.test(debian)) return { id: 'debian', version: '' }
  return undefined
}
