/** What people and VEX documents say about findings, from whatever file it came. */
import type { Suppression } from '../../report/model.ts'

/**
 * One statement. All that is given must fit: one of the ids, the image or product, the package, the path. Rules stand in
 * order of precedence: the first that fits a finding decides, and `affected` decides that it counts.
 */
export interface ExceptionRule {
  /** Ids of one flaw, in any spelling a finding has as its id or alias; compared without case. */
  ids: readonly string[]
  /** What it is said of: image patterns, digests, or package URLs of an image or of a package in it. */
  within?: readonly string[]
  /** Names or package URLs; a URL without version or qualifiers covers all of them. */
  packages?: readonly string[]
  /** Patterns of paths inside the image. */
  paths?: readonly string[]
  decision: Suppression['status'] | 'affected'
  reason: string
  justification?: string
  author?: string
  /** ISO 8601, a day means its beginning in UTC. From then on the rule is not there. */
  expires?: string
  source: string
}
