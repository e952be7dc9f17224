/** Package URLs (purl-spec): of what a scan finds, and as others write them. */
import { uriPart } from '../report/subject.ts'
import type { FoundPackage } from './model.ts'

/** Unreserved characters and the colon: of most names and versions nothing needs to be encoded. */
const PLAIN = /^[\w.~:-]*$/

/** Percent-encodes as the purl specification asks. */
const encode = (text: string) =>
  PLAIN.test(text)
    ? text
    : uriPart(text)
        .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
        .replaceAll('%3A', ':')

/** Namespace and name, divided by slashes; a segment must not be empty. What has no other is one name. */
function encodePath(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '')
  return segments.length > 0 ? segments.map(encode).join('/') : encode(path)
}

/** Whose names have a namespace before a slash. */
const NAMESPACED: ReadonlySet<FoundPackage['kind']> = new Set(['npm', 'composer', 'go', 'maven'])

/** Type of each kind and, for OS packages, the namespace when the image does not tell its distribution. */
const OS_TYPES: Partial<Record<FoundPackage['kind'], [type: string, namespace: string]>> = {
  dpkg: ['deb', 'debian'],
  apk: ['apk', 'alpine'],
  rpm: ['rpm', 'redhat'],
}
const TYPES: Partial<Record<FoundPackage['kind'], string>> = { python: 'pypi', go: 'golang' }

/** Namespaces of rpm packages that differ from the id in os-release, as other tools write them. */
const NAMESPACES: ReadonlyMap<string, string> = new Map([
  ['rhel', 'redhat'],
  ['ol', 'oracle'],
  ['amzn', 'amazon'],
  ['sles', 'suse'],
  ['opensuse-leap', 'opensuse'],
  ['opensuse-tumbleweed', 'opensuse'],
])

/**
 * The package URL of a package in an image. The namespace of OS packages is the distribution's; the distribution and
 * its version are the qualifier `distro`.
 *
 * @example packageUrl(found, { id: 'debian', version: '12' }) // pkg:deb/debian/glibc@2.36-9?arch=amd64&distro=debian-12
 */
export function packageUrl(found: FoundPackage, os?: { id: string; version: string }): string {
  const type = OS_TYPES[found.kind]
  return type ? osPackageUrl(found, type, os) : languagePackageUrl(found)
}

function osPackageUrl(
  found: FoundPackage,
  [type, fallback]: [string, string],
  os: { id: string; version: string } | undefined,
): string {
  const qualifiers: string[] = []
  if (found.architecture) qualifiers.push(`arch=${encode(found.architecture)}`)
  if (os) qualifiers.push(`distro=${encode(os.version ? `${os.id}-${os.version}` : os.id)}`)
  let version = found.version
  const epoch = found.kind === 'rpm' ? /^(\d+):/.exec(version) : null
  if (epoch) {
    version = version.slice(epoch[0].length)
    qualifiers.push(`epoch=${epoch[1]}`)
  }
  const id = os ? os.id.toLowerCase() : fallback
  const namespace = encode(found.kind === 'rpm' ? (NAMESPACES.get(id) ?? id) : id)
  const url = `pkg:${type}/${namespace}/${encode(found.name)}@${encode(version)}`
  return qualifiers.length ? `${url}?${qualifiers.join('&')}` : url
}

function languagePackageUrl({ kind, name, version }: FoundPackage): string {
  // PyPI's names are compared without case; the specification wants them so.
  const spelled =
    kind === 'python' ? name.toLowerCase().replaceAll('_', '-') : kind === 'composer' ? name.toLowerCase() : name
  const path = kind === 'maven' ? spelled.replace(':', '/') : spelled
  return `pkg:${TYPES[kind] ?? kind}/${NAMESPACED.has(kind) ? encodePath(path) : encode(path)}@${encode(version)}`
}

/** A name and a version of 256 characters, every byte of them encoded, are 9,000. */
export const PURL_CHARACTERS_MAX = 16_384

/** A package URL taken apart, everything decoded. */
export interface Purl {
  /** Lower case: `deb`, `npm`, `oci`. */
  type: string
  /** Empty when there is none. */
  namespace: string
  name: string
  version?: string
  /** Names in lower case. */
  qualifiers: Map<string, string>
}

/** `pkg:type/namespace/name@version?qualifiers#subpath`; undefined when it is not one, or one of kilobytes. */
export function parsePurl(text: string): Purl | undefined {
  if (text.length > PURL_CHARACTERS_MAX) return undefined
  // Some write npm's `@scope` as it is: the version begins behind the last slash.
  const form = /^pkg:\/*([^/?#]+)\/((?:[^?#/]*\/)*)([^@?#/]+)(?:@([^?#]*))?(?:\?([^#]*))?/i.exec(text)
  if (!form) return undefined
  const [, type = '', path = '', name = '', version, query = ''] = form
  const qualifiers = query.split('&').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at > 0 ? [[pair.slice(0, at).toLowerCase(), decode(pair.slice(at + 1))] as const] : []
  })
  return {
    type: type.toLowerCase(),
    namespace: path.split('/').slice(0, -1).map(decode).join('/'),
    name: decode(name),
    ...(version ? { version: decode(version) } : {}),
    qualifiers: new Map(qualifiers),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
