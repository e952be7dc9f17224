/** From an item of an SBOM to a package that can be judged. The package URL decides what it is. */
import type { Limits } from '../../config.ts'
import type { FoundPackage, ImagePackage } from '../model.ts'
import { OS_KINDS } from '../packages/kinds.ts'
import { PURL_CHARACTERS_MAX, type Purl, packageUrl } from '../purl.ts'
import type { SbomItem } from './document.ts'

const KINDS: ReadonlyMap<string, FoundPackage['kind']> = new Map([
  ['deb', 'dpkg'],
  ['apk', 'apk'],
  ['rpm', 'rpm'],
  ['npm', 'npm'],
  ['pypi', 'python'],
  ['gem', 'gem'],
  ['composer', 'composer'],
  ['nuget', 'nuget'],
  ['maven', 'maven'],
  ['golang', 'go'],
  ['cargo', 'cargo'],
])

/** What an advisory database is asked for; undefined for types that none of ours knows. */
export const kindOf = (purl: Purl): FoundPackage['kind'] | undefined => KINDS.get(purl.type)

/** As long as in images (`isField`): to compare versions takes time that grows with their length, and some by its square. */
const FIELD_CHARACTERS_MAX = 256
/** Put together of two fields and a colon: Maven's `group:artifact`. */
const JOINED_CHARACTERS_MAX = 2 * FIELD_CHARACTERS_MAX + 1
/** A name in a zip has no more; archives inside archives may. */
const MEMBER_CHARACTERS_MAX = 65_535
export const isShort = (value = ''): boolean => value.length <= FIELD_CHARACTERS_MAX

const isShortName = (name: string, kind: FoundPackage['kind']): boolean =>
  kind === 'maven' ? name.length <= JOINED_CHARACTERS_MAX : isShort(name)

/** Of `app.jar!/BOOT-INF/lib/a.jar` only what is before the mark is a path of the image. */
function isShortPath(path: string, pathBytesMax: number): boolean {
  const mark = path.indexOf('!/')
  return mark < 0 ? path.length <= pathBytesMax : mark <= pathBytesMax && path.length - mark <= MEMBER_CHARACTERS_MAX
}

/** Whether a component is as short as what an image says of a package. Else it is not taken apart any further. */
export function isShortItem(item: SbomItem, purl: Purl | undefined, limits: Pick<Limits, 'pathBytesMax'>): boolean {
  if (item.purl.length > PURL_CHARACTERS_MAX || !isShortPath(item.path ?? '', limits.pathBytesMax)) return false
  const ofPurl = purl ? [purl.type, purl.namespace, purl.name, purl.version] : []
  const qualifiers = ['arch', 'distro', 'epoch'].map((name) => purl?.qualifiers.get(name))
  return [item.layer, ...ofPurl, ...qualifiers].every(isShort)
}

/** The same of what became of it: names are put together. */
export const isShortPackage = ({ kind, name, version, source }: ImagePackage): boolean =>
  isShortName(name, kind) && [version, source?.name, source?.version].every(isShort)

/**
 * @param path where the SBOM itself lies, for packages it names no place for
 * @param os of the SBOM
 */
export function packageOf(
  item: SbomItem,
  purl: Purl,
  kind: FoundPackage['kind'],
  os: { id: string; version: string } | undefined,
  path: string,
): ImagePackage {
  const architecture = purl.qualifiers.get('arch')
  const common = {
    kind,
    ...(architecture === undefined ? {} : { architecture }),
    path: item.path ?? path,
    layer: item.layer ?? '',
    purl: item.purl,
    ...(item.owned ? { owned: true as const } : {}),
  }
  // Names lose their spelling in a package URL (PyPI), so the document's is taken where it means the same package.
  const spelled = item.names.find(
    (name) =>
      name !== '' &&
      isShortName(name, kind) &&
      isShort(item.version) &&
      packageUrl({ ...common, name, version: item.version }, os) === item.purl,
  )
  const named = spelled === undefined ? namedBy(purl, kind) : { name: spelled, version: item.version }
  const source = OS_KINDS.has(kind) ? (item.source ?? upstreamOf(purl, kind, named.version)) : undefined
  return { ...common, ...named, ...(source ? { source } : {}) }
}

function namedBy(purl: Purl, kind: FoundPackage['kind']): { name: string; version: string } {
  const { namespace, name, version = '' } = purl
  if (OS_KINDS.has(kind)) {
    const epoch = purl.qualifiers.get('epoch')
    return { name, version: epoch && !/^\d+:/.test(version) ? `${epoch}:${version}` : version }
  }
  if (namespace === '') return { name, version }
  return { name: kind === 'maven' ? `${namespace}:${name}` : `${namespace}/${name}`, version }
}

/** Syft names the source as `upstream=glibc@2.36-9`, without a version when it is the package's own, or as a file. */
function upstreamOf(purl: Purl, kind: FoundPackage['kind'], version: string): ImagePackage['source'] {
  const upstream = purl.qualifiers.get('upstream')?.split(',')[0]
  if (!upstream) return undefined
  if (kind === 'rpm') {
    const [, name, rest] = /^(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm$/.exec(upstream) ?? []
    const epoch = /^\d+:/.exec(version)?.[0] ?? ''
    return name !== undefined && rest !== undefined ? { name, version: `${epoch}${rest}` } : undefined
  }
  const at = upstream.lastIndexOf('@')
  return at > 0 ? { name: upstream.slice(0, at), version: upstream.slice(at + 1) } : { name: upstream, version }
}
