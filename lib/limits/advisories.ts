/** Building and opening advisory revisions. */
import { limit } from './limit.ts'

export const ADVISORY_LIMITS = {
  advisoryRecordBytesMax: limit(
    33_554_432,
    1_024,
    1_073_741_824,
    'The largest OSV records (Linux kernel) have a few MB; a zip member that inflates to more is a bomb.',
  ),
  advisoryArchiveBytesMax: limit(
    450_000_000,
    1_024,
    10_000_000_000,
    "A download lies in /tmp, which has 4 GB in the advisories function; OSV's npm archive is about 200 MB.",
  ),
  advisoryRecordsMax: limit(2_000_000, 1, 1e8, 'Members of one all.zip; all of OSV together has under a million.'),
  advisoryEventsMax: limit(
    200_000,
    10,
    1e7,
    'Range events and listed versions of one record; the largest real ones list some thousands.',
  ),
  advisoryListBytesMax: limit(
    67_108_864,
    1_024,
    1_073_741_824,
    'modified_id.csv has about 45 bytes a record; that of npm, the longest, 10 MB.',
  ),
  advisoryChangesMax: limit(
    2_000,
    0,
    1e6,
    'Changed records of one ecosystem fetched one by one; above it the archive costs less. OSV changes some hundreds a day.',
  ),
  advisoryFetchesInParallelMax: limit(16, 1, 256, 'Changed records fetched at once: 2,000 at 50 ms take 6 s.'),
  enrichmentBytesMax: limit(
    268_435_456,
    1_024,
    2_147_483_648,
    'CVSS vectors of all CVEs ever given are about 25 MB as CSV; read whole.',
  ),
  enrichmentSecondsMax: limit(
    60,
    1,
    600,
    'One file of LONGSHORE_ENRICHMENT from an address; after it the last good one is used. The advisories matter more.',
  ),
  advisoriesAgeDaysMax: limit(
    3,
    0,
    36_500,
    'Days without news before a report says how old its advisories are; OSV changes every hour, a weekend may pass.',
  ),
  advisoryRevisionDaysMax: limit(
    7,
    2,
    3_650,
    'Days after which a replaced revision is deleted; a scan holds one for minutes, a stopped service may follow the changes of a week.',
  ),
  advisoriesRevalidateSeconds: limit(
    60,
    0,
    86_400,
    'A warm worker looks at the revision pointer this often; data changes every few hours.',
  ),
} as const
