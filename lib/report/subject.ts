/** What several formats say of an image, a package or a flaw, each in the one spelling the formats share. */
import { createHash } from 'node:crypto'
import type { Finding, LayerEntry, PackageEntry, Report } from './model.ts'

/** What a list of packages is about. */
export interface Subject {
  image: string
  digest: string
  platform: string
  os?: { id: string; version: string }
  /** ISO 8601; absent when nothing but the image decides the content. */
  createdAt?: string
  gaps: string[]
  layers?: LayerEntry[]
  /** `owned`: an OS package put it there, so its distribution judges it; a report leaves those out itself. */
  packages: (PackageEntry & { owned?: true })[]
}

/** JSON as every format here writes it; keys that are undefined are not there. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** A UUID of the content (RFC 9562, version 8): equal content, equal id, and no chance. */
export function uuidOf(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex')
  const variant = (8 + (Number.parseInt(hex[16]!, 16) & 3)).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Percent-encoded, whatever it is: half of a surrogate pair, which JSON in an image can hold, has no encoding. */
export const uriPart = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'))

/** The parts of an image's name as submitted, or as an SBOM has it; the registry is empty for the short names of Docker Hub. */
export function imageParts(image: string): { registry: string; repository: string; tag: string } {
  const named = image.replace(/@.*$/s, '')
  const [, registry = '', rest = ''] = /^(?:([^/]*[.:][^/]*|localhost)\/)?(.*)$/s.exec(named)!
  const [, repository = '', tag = ''] = /^(.*?)(?::([^:/]*))?$/s.exec(rest)!
  return { registry, repository, tag }
}

/** The image as a package URL of type oci: name, digest, and where it lies. */
export function imagePurl({ image, digest, platform }: Pick<Subject, 'image' | 'digest' | 'platform'>): string {
  const { registry, repository, tag } = imageParts(image)
  const where = `${registry || 'docker.io'}/${repository}`
  const qualifiers = Object.entries({ arch: platform.split('/')[1], repository_url: where, tag })
    .flatMap(([name, value]) => (value ? [`${name}=${uriPart(value).replaceAll('%3A', ':')}`] : []))
    .join('&')
  const name = repository.replace(/^.*\//s, '').toLowerCase()
  return `pkg:oci/${uriPart(name)}@${uriPart(digest)}?${qualifiers}`
}

/** The type, namespace and name inside a package URL. */
export function purlParts(purl: string): { type: string; namespace: string; name: string } {
  const [, type = '', path = ''] = /^pkg:([^/@?#]+)\/([^@?#]*)/.exec(purl) ?? []
  const parts = path.split('/').map((part) => (part.includes('%') ? decoded(part) : part))
  return { type, namespace: parts.slice(0, -1).join('/'), name: parts.at(-1) ?? '' }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Where a flaw is described: its own page when that is a plain web address, else the one at osv.dev. */
export const pageOf = ({ id, url }: Pick<Finding, 'id' | 'url'>): string =>
  /^https?:\/\/[\w.-]+(?::\d+)?(?:[/?#][\w\-.~:/?#@!$&'()*+,;=%]*)?$/.test(url) && URL.canParse(url)
    ? url.replace(/%(?![0-9A-Fa-f]{2})/g, '%25')
    : osvPage(id)

export const osvPage = (id: string): string => `https://osv.dev/vulnerability/${uriPart(id)}`

/** The blob of the layer with a diffID; undefined for what was stored before they were kept, and in what SBOMs say. */
export function blobsOf({ layers = [] }: Pick<Subject, 'layers'>): (diffId: string) => string | undefined {
  const blobs = new Map<string, string>()
  // The same content may be there twice, compressed otherwise: the lower one brought it.
  for (const { digest, diffId } of layers) if (!blobs.has(diffId)) blobs.set(diffId, digest)
  return (diffId) => blobs.get(diffId)
}

/** The version of CVSS a vector is of: 2, 3, 3.1 or 4. */
export function cvssVersion(vector: string): 2 | 3 | 3.1 | 4 {
  if (vector.startsWith('CVSS:4')) return 4
  if (vector.startsWith('CVSS:3.1')) return 3.1
  return vector.startsWith('CVSS:3') ? 3 : 2
}

/** A name for the file a report is kept in, of characters that every system takes. */
export function fileName({ image, digest }: Pick<Report, 'image' | 'digest'>, extension: string): string {
  const { repository, tag } = imageParts(image)
  const parts = [repository.replace(/^.*\//s, ''), tag, digest.replace(/^\w+:/, '').slice(0, 12)]
  const stem = parts.filter((part) => part !== '').join('-')
  return `${stem.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 200)}.${extension}`
}
