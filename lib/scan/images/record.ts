/**
 * What is kept of an image: its newest verdict, the names it was seen under, and where its former reports are. Pure; the
 * item it lies in is `lib/job/image-items.ts`.
 */
import type { Limits } from '../../config.ts'
import { type Coverage, SEVERITIES, type Severity } from '../../glossary.ts'
import type { ImageFields } from '../../job/image-items.ts'
import type { SeverityCounts } from '../../report/model.ts'

/** A report of the past; its blob lives as long as the bucket keeps reports. */
export interface PastReport {
  /** When it was made, milliseconds since the epoch. */
  at: number
  revision: string
  reportKey: string
  summary: SeverityCounts
}

export interface ImageRecord {
  /** The newest reference it was scanned as: what its report names. */
  image: string
  /** References to when they were last scanned, milliseconds since the epoch. */
  names: { [reference: string]: number }
  platform: string
  os?: { id: string; version: string }
  revision: string
  reportKey: string
  /** Of the findings without the revision: tells whether they have changed. */
  findings: string
  /** What of it stands in the package index, see `lib/scan/package-index`. */
  set: string
  coverage: Coverage
  summary: SeverityCounts
  fixable: number
  packages: number
  firstSeenAt: number
  scannedAt: number
  /** When the verdict was made: at a scan, or at a new revision. */
  judgedAt: number
  /** Newest first; the first is the verdict. */
  history: PastReport[]
}

/** What a scan or a re-evaluation says of an image. */
export type Verdict = Pick<
  ImageRecord,
  | 'image'
  | 'platform'
  | 'os'
  | 'revision'
  | 'reportKey'
  | 'findings'
  | 'set'
  | 'coverage'
  | 'summary'
  | 'fixable'
  | 'packages'
>

/** Rises when a reader of the version before could not read what we write. */
const VERSION = 1

/** The worst severity among the findings; `None` when there are none. */
export const worstOf = (summary: SeverityCounts): Severity | 'None' =>
  SEVERITIES.find((level) => summary[level] > 0) ?? 'None'

/** The record after a verdict. `scanned`: the image itself was seen, under the verdict's name. */
export function withVerdict(
  before: ImageRecord | undefined,
  verdict: Verdict,
  now: number,
  limits: Pick<Limits, 'imageNamesMax' | 'imageReportsMax'>,
  scanned: boolean,
): ImageRecord {
  const { revision, reportKey, summary } = verdict
  // One report a revision: under another name it says the same.
  const past = (before?.history ?? []).filter((one) => one.revision !== revision)
  const history = [{ at: now, revision, reportKey, summary }, ...past].slice(0, limits.imageReportsMax)
  return {
    ...verdict,
    names: scanned ? named(before, verdict.image, now, limits) : (before?.names ?? {}),
    firstSeenAt: before?.firstSeenAt ?? now,
    scannedAt: scanned ? now : (before?.scannedAt ?? now),
    judgedAt: now,
    history,
  }
}

/** The record of an image that was scanned while its verdict is newer than what the scan says. */
export const seenAgain = (
  before: ImageRecord,
  image: string,
  now: number,
  limits: Pick<Limits, 'imageNamesMax'>,
): ImageRecord => ({ ...before, names: named(before, image, now, limits), scannedAt: now })

function named(
  before: ImageRecord | undefined,
  image: string,
  now: number,
  { imageNamesMax }: Pick<Limits, 'imageNamesMax'>,
): ImageRecord['names'] {
  const names = Object.entries({ ...before?.names, [image]: now })
  names.sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  return Object.fromEntries(names.slice(0, imageNamesMax))
}

/** Counts as a list in the order of `SEVERITIES`: an item pays for every byte of a name. */
const listOf = (summary: SeverityCounts): number[] => SEVERITIES.map((level) => summary[level])
const countsOf = (list: readonly number[]): SeverityCounts =>
  Object.fromEntries(SEVERITIES.map((level, i) => [level, list[i] ?? 0])) as SeverityCounts

const REPORT = /^reports\/(.*)\.json$/

export function fieldsOf({ summary, history, os, ...rest }: ImageRecord): ImageFields {
  return {
    ...rest,
    v: VERSION,
    os: os ? { id: os.id, version: os.version } : undefined,
    summary: listOf(summary),
    history: history.map((one) => [
      one.at,
      one.revision,
      REPORT.exec(one.reportKey)?.[1] ?? '',
      ...listOf(one.summary),
    ]),
  }
}

/** Undefined for fields of another version, which are treated as if the image had never been seen. */
export function recordOf(fields: ImageFields | undefined): ImageRecord | undefined {
  if (!fields || fields.v !== VERSION) return undefined
  const { v: _, summary, history, ...rest } = fields
  return {
    ...(rest as unknown as Omit<ImageRecord, 'summary' | 'history'>),
    summary: countsOf(summary as number[]),
    history: (history as [number, string, string, ...number[]][]).map(([at, revision, hash, ...counts]) => ({
      at,
      revision,
      reportKey: `reports/${hash}.json`,
      summary: countsOf(counts),
    })),
  }
}
