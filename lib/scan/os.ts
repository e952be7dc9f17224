/** Which distribution an image is: os-release(5), with the older files of each distribution as a fallback. */

/**
 * Files that tell the distribution, best first: `/etc/os-release` takes precedence (os-release(5)). Those who rebuild
 * Red Hat's distribution keep `redhat-release` with its name beside their own, so theirs come first.
 */
export const OS_FILES = [
  'etc/os-release',
  'usr/lib/os-release',
  'etc/alpine-release',
  'etc/oracle-release',
  'etc/almalinux-release',
  'etc/rocky-release',
  'etc/centos-release',
  'etc/fedora-release',
  'etc/photon-release',
  'etc/redhat-release',
  'etc/system-release',
  'etc/SuSE-release',
  'etc/lsb-release',
  'etc/debian_version',
] as const

/** Bytes of such a file that are read; real ones have a few hundred. */
export const OS_FILE_BYTES_MAX = 65_536

interface Os {
  id: string
  version: string
  name?: string
}

/** A value of an os-release file: a shell assignment without expansion. */
function unquote(value: string): string {
  const quote = value[0]
  if ((quote === '"' || quote === "'") && value.length > 1 && value.endsWith(quote)) value = value.slice(1, -1)
  return quote === "'" ? value : value.replace(/\\(["$`\\])/g, '$1')
}

const PLAIN = /^[a-zA-Z0-9._+~-]{0,64}$/

function assignments(text: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    if (at > 0) values.set(line.slice(0, at).trim(), unquote(line.slice(at + 1).trim()))
  }
  return values
}

function readOsRelease(text: string): Os | undefined {
  const values = assignments(text)
  const id = (values.get('ID') ?? '').toLowerCase()
  const version = values.get('VERSION_ID') ?? ''
  if (!id || !PLAIN.test(id) || !PLAIN.test(version)) return undefined
  const name = (values.get('PRETTY_NAME') ?? values.get('NAME') ?? '').replace(/[\x00-\x1f\x7f]/g, ' ').slice(0, 128)
  return name ? { id, version, name } : { id, version }
}

/** The names at the start of the one line of `redhat-release` and its kin, and the id os-release would have. */
const NAMES: readonly [RegExp, string][] = [
  [/^AlmaLinux/, 'almalinux'],
  [/^Rocky Linux/, 'rocky'],
  [/^CentOS/, 'centos'],
  [/^Fedora/, 'fedora'],
  [/^Oracle Linux/, 'ol'],
  [/^Red Hat Enterprise Linux/, 'rhel'],
  [/^Amazon Linux/, 'amzn'],
  [/^VMware Photon/, 'photon'],
]

/** "CentOS Linux release 7.9.2009 (Core)", "VMware Photon OS 4.0". */
function readRelease(text: string): Os | undefined {
  const line = text.slice(0, 256).split('\n', 1)[0]!.trim()
  const id = NAMES.find(([name]) => name.test(line))?.[1]
  const version = /\s(\d+(?:\.\d+)*)(?:\s|$)/.exec(line)?.[1]
  return id && version ? { id, version } : undefined
}

function readSuse(text: string): Os | undefined {
  const values = assignments(text)
  const version = values.get('VERSION') ?? ''
  if (!/^\d+(\.\d+)?$/.test(version)) return undefined
  if (/^openSUSE/.test(text)) return { id: 'opensuse-leap', version }
  const patch = values.get('PATCHLEVEL')
  return /^SUSE Linux Enterprise/.test(text)
    ? { id: 'sles', version: patch && /^[1-9]\d?$/.test(patch) ? `${version}.${patch}` : version }
    : undefined
}

function readLsb(text: string): Os | undefined {
  const values = assignments(text)
  const id = (values.get('DISTRIB_ID') ?? '').toLowerCase()
  const version = values.get('DISTRIB_RELEASE') ?? ''
  return id && PLAIN.test(id) && PLAIN.test(version) ? { id, version } : undefined
}

function readAlpine(text: string): Os | undefined {
  const version = text.trim()
  return /^\d+\.\d+[\w.]{0,32}$/.test(version) ? { id: 'alpine', version } : undefined
}

/** "12.5" names the point release; advisories know the release. "trixie/sid" has no number. */
function readDebian(text: string): Os | undefined {
  const version = text.trim()
  if (/^\d+(\.\d+)*$/.test(version)) return { id: 'debian', version: version.split('.')[0]! }
  return /^[a-z]+\/sid$/.test(version) ? { id: 'debian', version: '' } : undefined
}

const READERS: ReadonlyMap<string, (text: string) => Os | undefined> = new Map([
  ['etc/os-release', readOsRelease],
  ['usr/lib/os-release', readOsRelease],
  ['etc/alpine-release', readAlpine],
  ['etc/SuSE-release', readSuse],
  ['etc/lsb-release', readLsb],
  ['etc/debian_version', readDebian],
])

/**
 * The distribution by the texts of `OS_FILES`, or undefined when none tells. `version` is VERSION_ID as it stands
 * ("12", "3.19.1", "22.04"), empty for rolling releases such as Debian sid, which have none.
 */
export function readOs(files: Readonly<Record<string, string>>): Os | undefined {
  for (const path of OS_FILES) {
    const os = Object.hasOwn(files, path) ? (READERS.get(path) ?? readRelease)(files[path]!) : undefined
    if (os) return os
  }
  return undefined
}
