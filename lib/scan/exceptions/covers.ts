/** Whether a name in a rule means this package, this image, this path. */
import { matches } from '../../job/glob.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import type { Report } from '../../report/model.ts'
import { type Purl, parsePurl } from '../purl.ts'

const nameOf = ({ type, namespace, name }: Purl): string => `${type}/${namespace}/${name}`

/** Whether everything the rule's package URL says is true of the other one. */
export function purlCovers(rule: string, purl: string): boolean {
  const [wide, narrow] = [parsePurl(rule), parsePurl(purl)]
  if (!wide || !narrow || nameOf(wide) !== nameOf(narrow)) return false
  if (wide.version !== undefined && wide.version !== narrow.version) return false
  return [...wide.qualifiers].every(([name, value]) => narrow.qualifiers.get(name) === value)
}

/** A name as in the report, or a package URL. */
export const packageCovers = (rule: string, found: { package: string; purl: string }): boolean =>
  rule.startsWith('pkg:') ? purlCovers(rule, found.purl) : rule === found.package

/** `**` + `/` at the beginning means any directory or none, as in Trivy's files. */
export const pathCovers = (pattern: string, path: string): boolean =>
  matches(pattern, path) || matches(pattern, `/${path}`)

/** Names an image goes by: as submitted and in full, without tag and digest. */
function namesOf(image: string): { names: string[]; tag: string } {
  try {
    const { registry, repository, tag = '' } = parseReference(image)
    const full = formatReference({ registry, repository })
    return { names: [full, `${registry}/${repository}`], tag }
  } catch {
    // What was scanned is a file, or was named by nobody.
    return { names: [image], tag: '' }
  }
}

/** Whether a rule's `within` means the image of this report, or a package in it. */
export function imageCovers(rule: string, report: Report): boolean {
  if (rule === report.digest || rule === report.image) return true
  if (rule.startsWith('pkg:oci/') || rule.startsWith('pkg:docker/')) return imagePurlCovers(rule, report)
  if (rule.startsWith('pkg:')) return report.packages.some(({ purl }) => purlCovers(rule, purl))
  const [pattern = '', digest] = rule.split('@')
  if (digest !== undefined && digest !== report.digest) return false
  const colon = pattern.lastIndexOf(':')
  const tagged = colon > pattern.lastIndexOf('/')
  const { names, tag } = namesOf(report.image)
  // A pattern without a tag means every tag: what is accepted of an image is accepted of its next version.
  if (tagged && !matches(pattern.slice(colon + 1), tag)) return false
  return names.some((name) => matches(tagged ? pattern.slice(0, colon) : pattern, name))
}

function imagePurlCovers(rule: string, report: Report): boolean {
  const purl = parsePurl(rule)
  if (!purl) return false
  const { names, tag } = namesOf(report.image)
  const last = purl.name
  if (!names.some((name) => name.replace(/^.*\//, '') === last)) return false
  if (purl.version !== undefined && purl.version !== report.digest && purl.version !== tag) return false
  const where = purl.qualifiers.get('repository_url')
  const full = names.flatMap((name) => [name, name.replace(/\/[^/]*$/, '')])
  if (where !== undefined && !full.includes(where.replace(/^index\.docker\.io\//, 'docker.io/'))) return false
  const wanted = purl.qualifiers.get('tag')
  return wanted === undefined || wanted === tag
}
