/**
 * Every limit: name, unit (last word of the name), default, why. An environment variable
 * `LONGSHORE_<NAME_IN_CAPITALS>` sets it, e.g. `LONGSHORE_LEASE_MARGIN_SECONDS=5`.
 */
import { LongshoreError } from './errors.ts'

interface Limit {
  default: number
  min: number
  max: number
  why: string
}
const limit = (value: number, min: number, max: number, why: string): Limit => ({ default: value, min, max, why })

export const LIMITS = {
  // registry client
  registryRequestTimeoutMs: limit(
    30_000,
    100,
    900_000,
    'A manifest request that takes longer is a dead registry; blobs have an idle limit instead.',
  ),
  registryConnectTimeoutMs: limit(
    10_000,
    100,
    60_000,
    'A TCP and TLS handshake across the world takes well under 2 s.',
  ),
  registryIdleTimeoutMs: limit(
    30_000,
    100,
    900_000,
    'A body that stands still that long will not move again; a Lambda is billed while it waits.',
  ),
  resolveTimeoutMs: limit(
    5_000,
    100,
    25_000,
    'Budget of digest resolution in the HTTP function; HTTP API integrations end at 30 s.',
  ),
  manifestBytesMax: limit(
    4_194_304,
    1_024,
    33_554_432,
    'OCI distribution: registries should accept manifests up to 4 MiB; larger ones are refused before parsing.',
  ),
  manifestLayersMax: limit(512, 1, 10_000, 'Docker stops at 127 layers; 512 bounds the requests of one job.'),
  indexChildrenMax: limit(
    1_024,
    1,
    10_000,
    'No known index has more than about 50 platforms; bounds the requests of one job.',
  ),
  indexDepthMax: limit(4, 1, 32, 'Indexes of indexes are legal but rare; an index that names itself would never end.'),
  redirectsMax: limit(5, 0, 20, 'CDN redirects take one or two hops.'),
  tokenBytesMax: limit(65_536, 1_024, 1_048_576, 'A bearer token answer is a few KB (Docker Hub 5 KB).'),
  pageBytesMax: limit(
    4_194_304,
    1_024,
    33_554_432,
    'A page of tags or repositories; more than that in one answer is not paging.',
  ),
  registryRetriesMax: limit(3, 0, 10, 'Retries of one idempotent request inside a job; the job itself is retried too.'),
  registryRetryBaseMs: limit(250, 0, 60_000, 'First wait before a registry request is repeated; doubles, full jitter.'),
  registryThrottleWaitMs: limit(
    2_000,
    0,
    60_000,
    'A 429 that asks for at most this is waited for in place; a longer one parks the job and frees the worker.',
  ),
  registryRetryAfterSecondsMax: limit(
    21_600,
    1,
    604_800,
    'Docker Hub counts over six hours; a registry that asks for more is mistaken, and would park its jobs for good.',
  ),
  registryPauseSeconds: limit(
    60,
    1,
    3_600,
    'After a 429 that does not say for how long, and when the permits of requestsPerSecond are all taken by others.',
  ),
  registryBudgetRefreshMs: limit(
    10_000,
    0,
    600_000,
    'A worker that has a client open reads this often whether another was told to pause: one cheap read.',
  ),
  registryBudgetWaitMs: limit(
    10_000,
    1_000,
    600_000,
    'A request waits this long for a permit of requestsPerSecond; then its job is parked and the worker is free.',
  ),
  registryCommitTimeoutMs: limit(
    300_000,
    100,
    900_000,
    'The answer to the closing PUT of a blob: registries on object storage copy the whole blob before they answer.',
  ),
  referenceBytesMax: limit(
    1_024,
    1_024,
    1_024,
    'Host 253 + repository 255 + tag 128 + digest 135 is 771; longer text is not parsed.',
  ),
  blobsInParallelMax: limit(
    6,
    1,
    64,
    'Measured: with 40 ms round trips 6 in parallel is within 10 % of 12 and near registries gain nothing above 3.',
  ),
  uploadChunkBytesMax: limit(
    67_108_864,
    65_536,
    1_073_741_824,
    'Measured: chunks of 64 MiB cost nothing against one PUT, 16 MiB 9 %, 5 MiB 17 %. A registry may want less.',
  ),
  uploadChunkBytesMin: limit(
    262_144,
    1,
    67_108_864,
    'A smaller chunk costs more in round trips than it moves; when no more fits into the time left, the run ends.',
  ),
  uploadChunkSeconds: limit(
    20,
    1,
    600,
    'A chunk is what moves in this time at the rate seen: many registries lose the whole session when one is cut.',
  ),
  uploadRestartsMax: limit(3, 0, 100, 'How often one blob is begun anew because its session was lost, over all runs.'),
  checkpointBytesMax: limit(
    8_192,
    1_024,
    131_072,
    'What the open uploads of a replication take of its record: six of docker-registry are 6 KB, a record has 16 KB.',
  ),
  tagVerifyMarginSeconds: limit(
    60,
    0,
    900,
    'A request of a dead worker may lie in buffers this long beyond its lease; then the tag it set is looked at again.',
  ),
  // scan
  layerInflatedBytesMax: limit(
    107_374_182_400,
    1_048_576,
    1e13,
    '100 GiB; a layer that inflates to more does not finish in 15 minutes.',
  ),
  layerRatioMax: limit(
    2_000,
    10,
    1e6,
    'gzip cannot exceed 1032:1 and real layers stay under 100:1; zstd bombs reach 1e5:1.',
  ),
  layerEntriesMax: limit(
    20_000_000,
    1_000,
    1e9,
    'A layer of 3 million files exists (grype#1509); more than 20 million is an attack.',
  ),
  pathBytesMax: limit(4_096, 255, 65_536, 'PATH_MAX of Linux: a longer path cannot be opened in a container.'),
  packageFileBytesMax: limit(
    67_108_864,
    1_024,
    1_073_741_824,
    'The largest dpkg status seen is 12 MB; a file kept in memory must be bounded.',
  ),
  manifestFileBytesMax: limit(1_048_576, 1_024, 67_108_864, 'A package.json is a few KB, the largest seen 400 KB.'),
  packageListBytesMax: limit(
    16_777_216,
    1_024,
    268_435_456,
    "Lists of an application's packages (installed.json, deps.json, eggs, crates): the largest seen have 3 MB.",
  ),
  rpmFileBytesMax: limit(
    134_217_728,
    1_024,
    1_073_741_824,
    'An rpm database of 500 packages has 10 to 30 MB, a workstation 100 MB; it is kept in memory while it is read.',
  ),
  archiveFileBytesMax: limit(
    134_217_728,
    1_024,
    1_073_741_824,
    'A Java archive, also one inside another: applications with all their libraries have up to 100 MB. In memory.',
  ),
  archiveInflatedBytesMax: limit(
    268_435_456,
    1_024,
    1e10,
    'All that is inflated of one archive and those inside it; libraries are mostly stored as they are.',
  ),
  archiveMembersMax: limit(
    500_000,
    10,
    1e7,
    'Members of one archive and of those inside it; the largest applications have about 200,000 classes.',
  ),
  archiveDepthMax: limit(5, 0, 20, 'A library in a war in an ear is two archives deep; deeper is a trick.'),
  executableBuildInfoBytesMax: limit(
    1_048_576,
    1_024,
    16_777_216,
    'What a Go program says of how it was built: about 100 bytes a module, Kubernetes 20 KB.',
  ),
  ownedPackagesJudged: limit(
    0,
    0,
    1,
    '1: language packages that an OS package installed are judged beside it. Its distribution patches them otherwise.',
  ),
  layerRatioFreeBytes: limit(
    67_108_864,
    0,
    1e12,
    'A small layer of zeros may compress any amount and is harmless; the ratio counts above 64 MiB.',
  ),
  layerKeptPathBytesMax: limit(
    16_777_216,
    65_536,
    1_073_741_824,
    'Paths remembered of one layer (whiteouts, links, databases): 16 MiB are 200,000 paths, real layers have hundreds.',
  ),
  zstdWindowBytesMax: limit(
    134_217_728,
    1_024,
    2_145_386_496,
    'The default of the zstd tool and library (window log 27); BuildKit writes 8 MiB. The decoder allocates it at once.',
  ),
  layersInParallelMax: limit(
    3,
    1,
    16,
    'Measured: inflating one layer fills one core while another downloads; above 3 only memory grows.',
  ),
  gapsMax: limit(50, 1, 10_000, 'Sentences of one layer or image about what could not be seen; the rest is counted.'),
  packagesMax: limit(
    200_000,
    100,
    1e7,
    'The largest images seen hold about 15,000 packages; a report must fit in memory.',
  ),
  // advisories
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
    "A download lies in /tmp, which has 512 MB in Lambda; OSV's npm archive is about 200 MB.",
  ),
  advisoryRecordsMax: limit(2_000_000, 1, 1e8, 'Members of one all.zip; all of OSV together has under a million.'),
  advisoryEventsMax: limit(
    200_000,
    10,
    1e7,
    'Range events and listed versions of one record; the largest real ones list some thousands.',
  ),
  enrichmentBytesMax: limit(
    268_435_456,
    1_024,
    2_147_483_648,
    'CVSS vectors of all CVEs ever given are about 25 MB as CSV; read whole.',
  ),
  advisoriesRevalidateSeconds: limit(
    60,
    0,
    86_400,
    'A warm worker looks at the revision pointer this often; data changes every few hours.',
  ),
  // job protocol
  leaseMarginSeconds: limit(
    60,
    0,
    900,
    'Lambda kills at a known instant; the margin covers clock skew and writes still on the way.',
  ),
  handOverMs: limit(
    60_000,
    100,
    600_000,
    'Time kept at the end of an invocation to checkpoint and hand over; at most 20 % of the timeout.',
  ),
  maxAttempts: limit(5, 1, 100, 'Attempts that ended by crash or transient error before the job ends as error.'),
  retryBaseSeconds: limit(10, 0, 3_600, 'First backoff; doubles with full jitter.'),
  retryMaxSeconds: limit(3_600, 1, 86_400, 'Backoff cap: an hour outlives a registry deployment.'),
  hopsMax: limit(200, 1, 100_000, 'Continuations of one job: 200 invocations of 15 minutes are two days.'),
  stallsMax: limit(
    3,
    1,
    1_000,
    'Continuations in a row without any progress before the job says that it stands still.',
  ),
  snoozesMax: limit(
    1_000,
    1,
    1_000_000,
    'A job that was put off a thousand times waits for something that never comes.',
  ),
  throttlesMax: limit(500, 1, 1_000_000, 'Parked by 429 five hundred times: the registry will not serve this job.'),
  deadLettersMax: limit(3, 1, 100, 'Dead letters without a claim between, before the message counts as poison.'),
  redriveBatchMax: limit(
    100,
    1,
    1_000,
    'Dead letters that one request moves back: ten receives, sends and deletes each stay far under the 30 s of HTTP API.',
  ),
  resendBatchMax: limit(500, 1, 10_000, 'Re-sends per sweep: a long queue is never flooded.'),
  sweepPageMax: limit(1_000, 10, 10_000, 'Records one sweep looks at per shard; the rest waits for the next minute.'),
  eventSettleSeconds: limit(
    30,
    0,
    900,
    'Events are handed over this long after the finish so that none is skipped: a write takes 21 s at most (three tries of 7 s), an index of DynamoDB lags for seconds.',
  ),
  stopPollMs: limit(2_000, 10, 60_000, 'A stop takes effect within 5 s: one poll and one abort.'),
  progressWriteSeconds: limit(5, 0, 300, 'At most one progress write in this time; short jobs write none.'),
  tickSeconds: limit(
    60,
    1,
    3_600,
    'How often schedule and sweep are called: each minute by serverless.yml, as set here locally. A self-check counts in it.',
  ),
  functionTimeoutSeconds: limit(
    900,
    1,
    900,
    'Longest life of a function (Lambda ends it at 15 minutes). serverless.yml says less for most; locally, as set here, it bounds all workers and ticks, and a message is hidden for at most six times as long.',
  ),
  clockSkewMsMax: limit(
    20_000,
    1_000,
    900_000,
    'A third of leaseMarginSeconds, which pays for clocks that differ; Lambda keeps them within milliseconds.',
  ),
  waitingSecondsMax: limit(
    900,
    1,
    86_400,
    'A job that a person waits for has waited too long after 15 minutes, as the alarm on the age of its queue says.',
  ),
  logPartBytesMax: limit(65_536, 1_024, 1_048_576, 'A log part is flushed at this size or after logFlushMs.'),
  logFlushMs: limit(1_000, 10, 60_000, 'A reader sees a line a second after it was written.'),
  logBytesMax: limit(1_048_576, 4_096, 67_108_864, 'Per run; after that one line says that the log was cut.'),
  recordBytesMax: limit(16_384, 1_024, 400_000, 'A job record is meant to fit 1 KB (1 WRU); DynamoDB refuses 400 KB.'),
  historyDays: limit(
    90,
    15,
    3_650,
    'Terminal records expire after this; not less than the 14 days a message may live, or a late message would find no record.',
  ),
  // api
  requestBytesMax: limit(
    262_144,
    1_024,
    6_291_456,
    'No request body of this API is larger than a policy; Lambda takes 6 MB.',
  ),
  pageItemsMax: limit(100, 1, 999, 'Items of a list page; one more is looked at, and a query gives 1,000 at most.'),
  dueDaysMax: limit(
    30,
    1,
    365,
    'How far ahead a job may be accepted for: what is meant for later than a month is a policy with a cron.',
  ),
  listDaysMax: limit(31, 1, 366, 'Days one list request reads before it returns a cursor.'),
  listKeysMax: limit(1_000, 100, 10_000, 'Records one filtered list request reads before it returns a cursor.'),
  selfCheckKeptSeconds: limit(
    10,
    0,
    300,
    'GET /healthz?deep=1 needs no signature: whoever asks more often is told what was found before.',
  ),
  waitSecondsMax: limit(20, 0, 25, 'Long poll of GET /v1/jobs/{id}?wait=; HTTP API ends at 30 s.'),
  // executions
  fanOutPageItems: limit(100, 1, 1_000, 'Tags per page; the cursor is written after each page.'),
  fanOutResolvesInParallel: limit(8, 1, 64, 'HEAD requests in flight while tags are resolved.'),
  executionItemsMax: limit(1_000_000, 1, 1e8, 'Children of one execution.'),
  policyImagesMax: limit(
    100,
    100,
    100,
    'Patterns of one policy; the record stays small. Part of the published schema, so it is not set.',
  ),
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS
export type Limits = { readonly [name in LimitName]: number }

const envName = (name: string) => `LONGSHORE_${name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(LIMITS).map(([name, l]) => [name, l.default]),
) as Limits

/** The limits with what the environment sets. Throws `config-invalid` naming the variable, its value and its range. */
export function readLimits(env: Record<string, string | undefined>): Limits {
  const limits: Record<string, number> = { ...defaultLimits }
  for (const [name, l] of Object.entries(LIMITS)) {
    const text = env[envName(name)]
    if (text === undefined || text === '') continue
    const value = Number(text)
    if (!Number.isFinite(value) || value < l.min || value > l.max)
      throw new LongshoreError('config-invalid', `${envName(name)}=${text} is not a number from ${l.min} to ${l.max}`)
    limits[name] = value
  }
  return limits as Limits
}
