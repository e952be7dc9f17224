/**
 * Inventory x advisory revision -> report. Pure but for loading index files: the same two give byte-equal reports.
 * OS packages are matched by their SOURCE name and version, as distributions publish their advisories.
 */
import type { AdvisoryDatabase, AdvisoryDetails } from '../advisories/index.ts'
import { SEVERITIES, type Severity } from '../glossary.ts'
import type { Finding, PackageEntry, Report, SeverityCounts } from '../report/model.ts'
import { affectedBy } from './affected.ts'
import { distributionOf } from './distribution.ts'
import { type Flaw, flawsOf, type Hit } from './flaws.ts'
import type { ImageInventory, ImagePackage } from './model.ts'
import { packageUrl } from './purl.ts'
import { cvssScore, severityOfScore, severityOfWord } from './severity.ts'
import { comparatorOf } from './versions/index.ts'

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

interface Rating {
  severity: Severity
  score?: number
  vector?: string
  severitySource?: string
}

/** The newest CVSS version a record has: publishers who give two keep the older for older tools. */
function newestVector(
  severities: AdvisoryDetails['joined'][string]['severities'],
  source?: string,
): Rating | undefined {
  const scored = severities.flatMap((severity) => {
    const score = severity.listed ?? (severity.type.startsWith('CVSS') ? cvssScore(severity.score) : undefined)
    return score === undefined ? [] : [{ ...severity, score, vector: severity.score }]
  })
  const best = scored.sort((a, b) => byText(b.type, a.type) || byText(b.vector, a.vector))[0]
  if (!best) return undefined
  return {
    severity: severityOfScore(best.score),
    score: best.score,
    vector: best.vector,
    severitySource: source ?? best.source,
  }
}

/** The record's vector, else the publisher's word, else what is known of the CVE elsewhere. */
function rate(flaw: Flaw): Rating {
  for (const { details } of flaw.hits) {
    const own = newestVector(
      details.severities.map((severity) => ({ ...severity, source: details.id })),
      details.id,
    )
    if (own) return own
  }
  for (const { details } of flaw.hits)
    for (const word of [...details.severities.map(({ score }) => score), details.label ?? '']) {
      const severity = severityOfWord(word)
      if (severity) return { severity, severitySource: details.id }
    }
  for (const { details } of flaw.hits) {
    const joined = newestVector(Object.hasOwn(details.joined, flaw.id) ? details.joined[flaw.id]!.severities : [])
    if (joined) return joined
  }
  return { severity: 'Unknown' }
}

/** The highest of the records' fixes: only then none of them calls the version affected. */
function fixOf(flaw: Flaw, ecosystem: string): string | undefined {
  const compare = comparatorOf(ecosystem)!
  const fixes = flaw.hits.map((hit) => hit.fixedVersion).filter((fix) => fix !== undefined)
  return fixes.sort((a, b) => compare(a, b) || byText(a, b)).at(-1)
}

function describe(flaw: Flaw, pack: PackageEntry): Pick<Finding, 'title' | 'url' | 'kev' | 'publishedAt'> {
  const details = flaw.hits.map((hit) => hit.details)
  const joined = details.flatMap((one) => (Object.hasOwn(one.joined, flaw.id) ? [one.joined[flaw.id]!] : []))
  const publishedAt = details.flatMap((one) => one.published ?? []).sort(byText)[0]
  return {
    title:
      details.find((one) => one.title)?.title ??
      joined.find((one) => one.title)?.title ??
      `${flaw.id} in ${pack.source?.name ?? pack.name}`,
    url: details.find((one) => one.url)?.url ?? `https://osv.dev/vulnerability/${encodeURIComponent(details[0]!.id)}`,
    kev: joined.some((one) => one.kev),
    ...(publishedAt ? { publishedAt } : {}),
  }
}

function finding(flaw: Flaw, pack: PackageEntry, ecosystem: string): Finding {
  const fixedVersion = fixOf(flaw, ecosystem)
  return {
    id: flaw.id,
    aliases: flaw.aliases,
    package: pack.name,
    version: pack.version,
    purl: pack.purl,
    path: pack.path,
    layer: pack.layer,
    ...rate(flaw),
    ...(fixedVersion === undefined ? {} : { fixedVersion }),
    status: fixedVersion === undefined ? 'affected' : 'fixed',
    ...describe(flaw, pack),
  }
}

const severityRank = new Map(SEVERITIES.map((severity, i) => [severity, i]))

/** What to look at first: exploited, then severity, then score; the rest only makes the order one and the same. */
const byRisk = (a: Finding, b: Finding): number =>
  Number(b.kev) - Number(a.kev) ||
  severityRank.get(a.severity)! - severityRank.get(b.severity)! ||
  (b.score ?? -1) - (a.score ?? -1) ||
  byText(a.package, b.package) ||
  byText(a.id, b.id) ||
  byText(a.path, b.path) ||
  byText(a.purl, b.purl)

/** One matcher per report: a package name met twice is looked up once. */
class Matcher {
  readonly #database: AdvisoryDatabase
  readonly #flaws = new Map<string, Promise<Flaw[]>>()

  constructor(database: AdvisoryDatabase) {
    this.#database = database
  }

  flaws(ecosystem: string, name: string, version: string): Promise<Flaw[]> {
    const key = `${ecosystem}\n${name}\n${version}`
    let found = this.#flaws.get(key)
    if (!found) {
      found = this.#match(ecosystem, name, version)
      this.#flaws.set(key, found)
    }
    return found
  }

  async #match(ecosystem: string, name: string, version: string): Promise<Flaw[]> {
    const compare = comparatorOf(ecosystem)
    if (!compare) return []
    const hits: Hit[] = []
    for (const match of await this.#database.lookup(ecosystem, name)) {
      const affected = affectedBy(match, version, compare)
      const details = affected && (await this.#database.details(ecosystem, match.id))
      if (details) hits.push({ details, ...affected })
    }
    return flawsOf(hits)
  }
}

function entry(found: ImagePackage, os: ImageInventory['os']): PackageEntry {
  return {
    name: found.name,
    version: found.version,
    purl: packageUrl(found, os),
    path: found.path,
    layer: found.layer,
    ...(found.source ? { source: { name: found.source.name, version: found.source.version } } : {}),
  }
}

/** Packages in one order, each once, with the ecosystem that judges them. */
function entries(inventory: ImageInventory, ecosystems: Map<ImagePackage['kind'], string>) {
  const seen = new Set<string>()
  return inventory.packages
    .map((found) => ({ entry: entry(found, inventory.os), ecosystem: ecosystems.get(found.kind) }))
    .sort((a, b) => byText(a.entry.purl, b.entry.purl) || byText(a.entry.path, b.entry.path))
    .filter(({ entry: { purl, path } }) => !seen.has(`${purl}\n${path}`) && seen.add(`${purl}\n${path}`))
}

/** Which ecosystem judges each kind of package, and what stays unjudged. */
function judge(inventory: ImageInventory, database: AdvisoryDatabase) {
  const ecosystems = new Map<ImagePackage['kind'], string>()
  const gaps = [...inventory.gaps]
  const kinds = new Set(inventory.packages.map(({ kind }) => kind))
  const noData = (ecosystem: string, what: string) =>
    `Revision ${database.revision} holds no advisories for ${ecosystem}, so ${what} cannot be judged`
  const distribution = distributionOf(inventory.os)
  if ('gap' in distribution) gaps.push(distribution.gap)
  else {
    const { family, ecosystem } = distribution
    ecosystems.set(family, ecosystem)
    if (!database.covers(ecosystem)) gaps.push(noData(ecosystem, 'OS packages'))
    if (!kinds.has(family))
      gaps.push(`The image is ${ecosystem}, but it holds no ${family} database, so its OS packages are not known`)
    const other = family === 'dpkg' ? 'apk' : 'dpkg'
    if (kinds.has(other)) gaps.push(`Packages of ${other} in an image of ${ecosystem} cannot be judged`)
  }
  if (kinds.has('npm')) {
    ecosystems.set('npm', 'npm')
    if (!database.covers('npm')) gaps.push(noData('npm', 'npm packages'))
  }
  return { ecosystems, gaps: [...new Set(gaps)] }
}

/**
 * Matches an inventory against a revision. `image` is the reference as submitted, for people. An artifact that is not
 * an image gets an empty report of coverage `none`. Throws what reading the database throws.
 */
export async function buildReport(options: {
  image: string
  inventory: ImageInventory
  database: AdvisoryDatabase
}): Promise<Report> {
  const { image, inventory, database } = options
  const { os } = inventory
  const artifact = inventory.kind === 'artifact'
  const { ecosystems, gaps } = artifact
    ? { ecosystems: new Map<ImagePackage['kind'], string>(), gaps: [...inventory.gaps] }
    : judge(inventory, database)
  const matcher = new Matcher(database)
  const packages: PackageEntry[] = []
  const findings: Finding[] = []
  for (const { entry: pack, ecosystem } of artifact ? [] : entries(inventory, ecosystems)) {
    packages.push(pack)
    if (!ecosystem) continue
    const { name, version } = pack.source ?? pack
    for (const flaw of await matcher.flaws(ecosystem, name, version)) findings.push(finding(flaw, pack, ecosystem))
  }
  findings.sort(byRisk)
  const summary = Object.fromEntries(SEVERITIES.map((severity) => [severity, 0])) as SeverityCounts
  for (const { severity } of findings) summary[severity]++
  return {
    image,
    digest: inventory.digest,
    platform: inventory.platform,
    ...(os ? { os: { id: os.id, version: os.version } } : {}),
    createdAt: database.createdAt,
    revision: database.revision,
    sources: database.sources.map(({ ecosystem, modified }) => ({ ecosystem, modified })),
    coverage: artifact ? 'none' : gaps.length ? 'partial' : 'full',
    gaps,
    summary,
    fixable: findings.filter(({ fixedVersion }) => fixedVersion !== undefined).length,
    packages,
    findings,
  }
}
