/** Requests and pages. */
import { limit } from './limit.ts'

export const API_LIMITS = {
  requestBytesMax: limit(
    262_144,
    1_024,
    6_291_456,
    'No other request body than an SBOM is larger than a policy; Lambda takes 6 MB.',
  ),
  sbomBytesMax: limit(
    4_194_304,
    1_024,
    5_242_880,
    'Of an SBOM sent to be judged: some 7,000 packages. Lambda takes 6 MB, and JSON inside JSON grows by a fifth.',
  ),
  pageItemsMax: limit(100, 1, 999, 'Items of a list page; one more is looked at, and a query gives 1,000 at most.'),
  dueDaysMax: limit(
    30,
    1,
    365,
    'How far ahead a job may be accepted for: what is meant for later than a month is a policy with a cron.',
  ),
  listDaysMax: limit(31, 1, 366, 'Days one list request reads before it returns a cursor.'),
  listKeysMax: limit(
    1_000,
    100,
    1_000,
    'Records one filtered list request reads before it returns a cursor; at most what a query gives.',
  ),
  selfCheckKeptSeconds: limit(
    10,
    0,
    300,
    'GET /healthz?deep=1 needs no signature: whoever asks more often is told what was found before.',
  ),
  waitSecondsMax: limit(20, 0, 25, 'Long poll of GET /v1/jobs/{id}?wait=; HTTP API ends at 30 s.'),
  answerBytesMax: limit(
    4_194_304,
    65_536,
    1_073_741_824,
    'Of a report to a caller that takes no gzip: Lambda ends an answer at 6 MB, and JSON inside JSON grows by a third.',
  ),
  exceptionsMax: limit(
    1_000,
    1,
    10_000,
    'Exceptions of one tenant: all are read with each report, a thousand are about 300 KB.',
  ),
} as const
