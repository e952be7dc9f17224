/** The report of a scan as data (design section 5, JSON report). Immutable: f(inventory, revision). */
import type { Coverage, Severity } from '../glossary.ts'

export interface LayerEntry {
  /** Of the blob, as the registry calls it. */
  digest: string
  /** Of its content, inflated. */
  diffId: string
}

export interface PackageEntry {
  name: string
  version: string
  purl: string
  /** Of the package database or manifest file inside the image, without a leading slash. */
  path: string
  /** diffID of the layer that brought it. */
  layer: string
  /** What advisories are matched by: the source package for OS packages, else the package itself. */
  source?: { name: string; version: string }
}

export type FixStatus = 'fixed' | 'affected'

export interface Finding {
  /** The best known id: CVE first, then GHSA, then the record's own. */
  id: string
  /** Every other id of the flaw, the matched OSV record ids among them. */
  aliases: string[]
  package: string
  version: string
  purl: string
  path: string
  layer: string
  severity: Severity
  score?: number
  vector?: string
  severitySource?: string
  fixedVersion?: string
  status: FixStatus
  title: string
  url: string
  /** Whether CISA lists it as known to be exploited. */
  kev: boolean
  /** Probability that it will be exploited within 30 days (EPSS of FIRST), 0.01 to 1; absent: lower, or not known. */
  epss?: number
  publishedAt?: string
}

/** Why a finding is shown but not counted: what a person or a VEX document said about it. */
export interface Suppression {
  /** `ignored`: somebody accepts the risk; the others are statements about the image (words of OpenVEX and CycloneDX). */
  status: 'ignored' | 'not_affected' | 'fixed' | 'false_positive'
  reason: string
  /** A justification as OpenVEX spells them, such as `vulnerable_code_not_present`. */
  justification?: string
  author?: string
  /** ISO 8601; the finding counts again from then on. */
  expires?: string
  /** The file or the place the rule came from. */
  source: string
}

export interface SuppressedFinding extends Finding {
  suppression: Suppression
}

/** What the reader asked for; `hidden` findings exist but are not in `findings`, nor in the counts. */
export interface ReportFilter {
  fixable?: boolean
  severity?: Severity[]
  hidden: number
}

export type SeverityCounts = Record<Severity, number>

export interface Report {
  /** As submitted, for people. */
  image: string
  /** Of the platform manifest scanned. */
  digest: string
  platform: string
  os?: { id: string; version: string }
  /** Of the advisory revision, so that equal inputs give equal bytes. */
  createdAt: string
  revision: string
  sources: { ecosystem: string; modified: string }[]
  /** Whole days; only where the reader has to be told that newer flaws are not in it. Never in a stored report. */
  advisoriesAgeDays?: number
  coverage: Coverage
  /** What could not be seen, one sentence each. */
  gaps: string[]
  summary: SeverityCounts
  fixable: number
  /** Bottom up: the blob of each layer, and its diffID, by which packages name it. Absent in reports of before. */
  layers?: LayerEntry[]
  packages: PackageEntry[]
  findings: Finding[]
  /** Present when exceptions apply; in the order of `findings`, and not counted in `summary` and `fixable`. */
  suppressed?: SuppressedFinding[]
  /** Present when this is only a part of the report. */
  filter?: ReportFilter
}
