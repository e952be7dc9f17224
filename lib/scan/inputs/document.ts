/** What an SBOM says, whatever its format: the common ground of the readers. */
import type { ImagePackage } from '../model.ts'

/** What of a report's gaps is for the next judgement to say: for what there were no advisories, how many findings fit. */
const OF_JUDGEMENT = /^The revision holds no advisories for |^more than \d+ findings; /

/** Whether a gap that a report of ours tells is the image's own. */
export const isOfImage = (gap: string): boolean => !OF_JUDGEMENT.test(gap)

/** One component that is named as a package. */
export interface SbomItem {
  /** The names the document has for it, best first; the package URL decides which is meant. */
  names: string[]
  version: string
  purl: string
  path?: string
  layer?: string
  source?: ImagePackage['source']
  owned?: boolean
}

export interface SbomDocument {
  /** What the SBOM is about, for people. */
  image: string
  /** Of the image manifest, when the document names one. */
  digest?: string
  platform?: string
  os?: { id: string; version: string }
  /** Where the document names them, which only ours do. */
  layers?: { digest: string; diffId: string }[]
  items: SbomItem[]
  /** Components without a package URL, by name: nobody can say what they are. */
  unnamed: string[]
  /** Where the document itself says that something is missing. */
  gaps: string[]
  /** Who says that nothing is missing; `stated`: the document does, `ours`: it is one of Longshore, whose gaps are all. */
  completeness: 'unknown' | 'stated' | 'ours'
  tool?: string
}
