/**
 * Inventory x advisory revision -> report. Pure but for loading index files: the same two give byte-equal reports.
 * OS packages are matched by their SOURCE name and version, as distributions publish their advisories.
 */
import type { AdvisoryDatabase, AdvisoryDetails } from '../advisories/index.ts'
import { SEVERITIES, type Severity } from '../glossary.ts'
import { SCAN_LIMITS } from '../limits/scan.ts'
import type { Finding, PackageEntry, Report, SeverityCounts } from '../report/model.ts'
import { osvPage } from '../report/subject.ts'
import { distributionOf } from './distribution.ts'
import { packageEntries } from './entries.ts'
import type { Flaw } from './flaws.ts'
import { type Judge, judgesOf, LANGUAGES } from './judges.ts'
import { Matcher } from './matcher.ts'
import type { ImageInventory, ImagePackage } from './model.ts'
import { OS_KINDS } from './packages/kinds.ts'
import { scoreOf, severityOfScore, severityOfWord } from './severity.ts'
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
    const score = scoreOf(severity)
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

/**
 * The record's vector, else the publisher's word, else what is known of the CVE elsewhere. What a record says of the
 * package goes before what it says of the flaw.
 */
function rate(flaw: Flaw): Rating {
  for (const { details, severities = [] } of flaw.hits)
    for (const said of [severities, details.severities]) {
      const own = newestVector(
        said.map((severity) => ({ ...severity, source: details.id })),
        details.id,
      )
      if (own) return own
    }
  for (const { details, severities = [], label } of flaw.hits)
    for (const word of [
      ...severities.map(({ score }) => score),
      label ?? '',
      ...details.severities.map(({ score }) => score),
      details.label ?? '',
    ]) {
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

function describe(flaw: Flaw, pack: PackageEntry): Pick<Finding, 'title' | 'url' | 'kev' | 'epss' | 'publishedAt'> {
  const details = flaw.hits.map((hit) => hit.details)
  const joined = details.flatMap((one) => (Object.hasOwn(one.joined, flaw.id) ? [one.joined[flaw.id]!] : []))
  const publishedAt = details.flatMap((one) => one.published ?? []).sort(byText)[0]
  const epss = joined.find((one) => one.epss !== undefined)?.epss
  return {
    title:
      details.find((one) => one.title)?.title ??
      joined.find((one) => one.title)?.title ??
      `${flaw.id} in ${pack.source?.name ?? pack.name}`,
    url: details.find((one) => one.url)?.url ?? osvPage(details[0]!.id),
    kev: joined.some((one) => one.kev),
    ...(epss === undefined ? {} : { epss }),
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

/**
 * From here on exploitation is likely enough to go before severity. FIRST's own study of the model shows that few
 * per cent of all CVEs are above it, and most of what was exploited.
 */
const EPSS_LIKELY = 0.1
const likely = ({ epss = 0 }: Finding): number => (epss >= EPSS_LIKELY ? epss : 0)

/**
 * What to look at first: exploited, then likely to be, then severity, score and the rest of the likelihood; what
 * follows only makes the order one and the same: a package at a place has each flaw once.
 */
const byRisk = (a: Finding, b: Finding): number =>
  Number(b.kev) - Number(a.kev) ||
  likely(b) - likely(a) ||
  severityRank.get(a.severity)! - severityRank.get(b.severity)! ||
  (b.score ?? -1) - (a.score ?? -1) ||
  (b.epss ?? 0) - (a.epss ?? 0) ||
  byText(a.package, b.package) ||
  byText(a.id, b.id) ||
  byText(a.path, b.path) ||
  byText(a.purl, b.purl)

/**
 * Findings repeat the path and the package URL of their package, and an image may have paths of kilobytes. On average;
 * real ones have 150.
 */
const PLACE_CHARACTERS_MAX = 512

/** Findings looked at for each that a report may have. They are judged before it is known that they give way. */
const LOOKED_AT_FACTOR = 10

/** As many findings as a report may have: the most urgent, whatever the order they come in. */
class FindingList {
  readonly #max: number
  readonly #lookedAtMax: number
  readonly #kept: Finding[] = []
  /** The most urgent that gave way. Nothing less urgent takes its place, so only the risk decides who is listed. */
  #gaveWay: Finding | undefined
  #lookedAt = 0

  constructor(max: number) {
    this.#max = max
    this.#lookedAtMax = max * LOOKED_AT_FACTOR
  }

  get isFull(): boolean {
    return this.#lookedAt > this.#lookedAtMax
  }

  add(flaws: readonly Flaw[], pack: PackageEntry, ecosystem: string): void {
    for (const flaw of flaws) {
      this.#lookedAt++
      if (this.isFull) return
      const one = finding(flaw, pack, ecosystem)
      if (this.#gaveWay && byRisk(one, this.#gaveWay) > 0) continue
      this.#kept.push(one)
      if (this.#kept.length >= 2 * this.#max) this.#cut()
    }
  }

  /** Once all are added. */
  finish(): { findings: Finding[]; gap?: string } {
    this.#cut()
    const findings = this.#kept
    if (!this.#gaveWay) return { findings }
    const ofThose = this.isFull ? ` of the first ${this.#lookedAtMax}` : ''
    return {
      findings,
      gap: `more than ${findings.length} findings; only the most urgent ${findings.length}${ofThose} are listed (limit findingsMax)`,
    }
  }

  #cut(): void {
    let charactersLeft = this.#max * PLACE_CHARACTERS_MAX
    const end = this.#kept.sort(byRisk).findIndex(({ path, purl }, i) => {
      charactersLeft -= path.length + purl.length
      return i >= this.#max || charactersLeft < 0
    })
    if (end < 0) return
    this.#gaveWay = this.#kept[end]
    this.#kept.length = end
  }
}

/** What of an image is judged and how, and what stays unjudged. */
interface Judgement {
  packages: ImagePackage[]
  judges: ReadonlyMap<ImagePackage['kind'], Judge>
  gaps: string[]
}

function judge(inventory: ImageInventory, database: AdvisoryDatabase, ownedJudged: boolean): Judgement {
  const judges = judgesOf(inventory.os)
  const gaps = [...inventory.gaps]
  const kinds = new Set(inventory.packages.map(({ kind }) => kind))
  const noData = (ecosystem: string, what: string) =>
    `The revision holds no advisories for ${ecosystem}, so ${what} cannot be judged`
  const distribution = distributionOf(inventory.os)
  let osJudged = false
  if ('gap' in distribution) gaps.push(distribution.gap)
  else {
    const { family, ecosystems } = distribution
    const name = ecosystems[0]!
    const covered = ecosystems.some((ecosystem) => database.covers(ecosystem))
    if (!covered) gaps.push(noData(name, 'OS packages'))
    if (!kinds.has(family))
      gaps.push(`The image is ${name}, but it holds no ${family} database, so its OS packages are not known`)
    for (const other of OS_KINDS)
      if (other !== family && kinds.has(other))
        gaps.push(`Packages of ${other} in an image of ${name} cannot be judged`)
    osJudged = covered && kinds.has(family)
  }
  // Only where the distribution's advisories speak for them; else both views are better than none.
  const packages = inventory.packages.filter(({ owned }) => !owned || ownedJudged || !osJudged)
  const languages = new Set(packages.map(({ kind }) => kind))
  for (const [kind, ecosystem] of LANGUAGES)
    if (languages.has(kind) && !database.covers(ecosystem)) gaps.push(noData(ecosystem, `${ecosystem} packages`))
  return { packages, judges, gaps: [...new Set(gaps)] }
}

const DEMO_GAP =
  'judged by the bundled demo advisories, which know only the images of the demo; build real ones with: longshore ' +
  'advisories update'

/** Whether the repository of an image, with or without its registry, is not the one that the records are about. */
function isForeign(image: string, onlyFor: string | undefined): boolean {
  if (onlyFor === undefined) return false
  const names = [image, image.slice(image.indexOf('/') + 1)]
  return !names.some((name) => name.startsWith(onlyFor) && /^(?:[:@]|$)/.test(name.slice(onlyFor.length)))
}

/**
 * Matches an inventory against a revision. `image` is the reference as submitted, for people. An artifact that is not
 * an image gets an empty report of coverage `none`. Throws what reading the database throws.
 */
export async function buildReport(options: {
  image: string
  inventory: ImageInventory
  database: AdvisoryDatabase
  /** Whether language packages that an OS package installed are judged by their own ecosystem too. */
  ownedJudged?: boolean
  /** As many are listed, the most urgent; matching stops at ten times as many. */
  findingsMax?: number
}): Promise<Report> {
  const { image, inventory, database, ownedJudged = false } = options
  const { findingsMax = SCAN_LIMITS.findingsMax.default } = options
  const { os } = inventory
  const artifact = inventory.kind === 'artifact'
  const { packages, judges, gaps }: Judgement = artifact
    ? { packages: [], judges: new Map(), gaps: [...inventory.gaps] }
    : judge(inventory, database, ownedJudged)
  const matcher = new Matcher(database)
  const listed: PackageEntry[] = []
  const list = new FindingList(findingsMax)
  for (const { found, entry: pack } of packageEntries(packages, os)) {
    listed.push(pack)
    const by = judges.get(found.kind)
    if (!by || list.isFull) continue
    list.add(await matcher.flaws(by.ecosystems, by.subjects(found)), pack, by.ecosystems[0]!)
  }
  const { findings, gap } = list.finish()
  if (gap) gaps.push(gap)
  if (!artifact && isForeign(image, database.onlyFor) && !gaps.includes(DEMO_GAP)) gaps.push(DEMO_GAP)
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
    layers: inventory.layers.map(({ digest, diffId }) => ({ digest, diffId })),
    packages: listed,
    findings,
  }
}
