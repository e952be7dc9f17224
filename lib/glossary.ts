/**
 * The words of Longshore. Every name in the code comes from here or from the OCI, OSV and AWS specifications.
 *
 * job        one unit of slow work on one image, with a record that outlives every queue message
 * job type   `scan`, `replicate`: parameters, limits and `run`, defined in one folder
 * attempt    what users see and `maxAttempts` limits; rises at a claim only when the run before ended by crash or error
 * fence      rises by 1 at every claim; a worker's write requires its own fence and status running
 * lease      until when the current run may be alive: remaining function time at the claim + margin
 * pool       the consumer function of a type; its size is `maximumConcurrency` of its queues
 * lane       `interactive` (queue `<type>`) or `bulk` (queue `<type>-bulk`)
 * execution  one run of a policy, or one bulk request: the parent of many jobs
 * policy     what to do, to which images, when
 * sweep      the minute tick: re-sends lost messages, recovers dead leases, fires due schedules, hands over events
 * inventory  the packages found in a layer or an image; content-addressed, kept
 * advisory database, revision   the compact vulnerability index built from OSV data; every report names its revision
 * finding    binary package x flaw
 * report     all findings of one image at one revision, immutable
 * source, target   the two sides of a replication
 * reference, digest, manifest, index, blob, layer, diffID, referrer   as in the OCI specifications
 */

/** The status of a job; the last four are terminal and never change. */
export const STATUSES = [
  'scheduled',
  'pending',
  'running',
  'retrying',
  'success',
  'error',
  'stopped',
  'canceled',
] as const
export type Status = (typeof STATUSES)[number]

export const TERMINAL_STATUSES = ['success', 'error', 'stopped', 'canceled'] as const satisfies readonly Status[]
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number]

/** Interactive: a person waits. Bulk: children of executions, so that a person never waits behind a scan-all. */
export const LANES = ['interactive', 'bulk'] as const
export type Lane = (typeof LANES)[number]

/** Design section 5; order from worst to least known. */
export const SEVERITIES = ['Critical', 'High', 'Medium', 'Low', 'Negligible', 'Unknown'] as const
export type Severity = (typeof SEVERITIES)[number]

/** How much of an image a scan could judge. "No vulnerabilities" is only said at `full`. */
export const COVERAGES = ['full', 'partial', 'none'] as const
export type Coverage = (typeof COVERAGES)[number]

/** The two ends of a replication; a scan reads only a source. */
export type Side = 'source' | 'target'

/** JSON as it is stored and sent. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }
