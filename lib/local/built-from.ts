/** Whether the local run has to build its advisories, or what is there is what it would build. */

export interface BuiltFrom {
  /** What lies under BUILT_FROM_KEY: a fingerprint of the local run, JSON of the command, or nothing. */
  before: string
  /** Of the source as it is now; undefined when only its server knows. */
  fingerprint: string | undefined
  /** Whether somebody named the source; else it is the bundled demo. */
  asked: boolean
}

/** What `longshore advisories update` has built stays, until LONGSHORE_ADVISORIES names something else. */
export function isOutdated({ before, fingerprint, asked }: BuiltFrom): boolean {
  if (!asked && before.startsWith('{')) return false
  return fingerprint === undefined || before !== fingerprint
}
