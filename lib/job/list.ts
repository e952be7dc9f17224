/**
 * Lists of jobs, newest first. Jobs submitted by hand are kept by type and day, children by their execution; a page reads
 * a bounded number of days and records and returns a cursor, so no list ever scans the table.
 */
import { STATUSES, type Status } from '../glossary.ts'
import type { Item } from '../store/port.ts'
import type { Environment } from './environment.ts'
import {
  childrenPartition,
  dayOf,
  jobListPartition,
  MEMBER_SHARDS,
  STATUS_LETTERS,
  SUPERSEDED_LETTER,
  stamp,
} from './keys.ts'
import { isExpired, type JobRecord, jobOfItem } from './record.ts'

export interface JobFilter {
  tenant: string
  types: string[]
  statuses?: Status[]
  /** `registry/repository`, with `:tag` or `@digest` when those matter too. */
  image?: { registry: string; repository: string; tag?: string; digest?: string }
  execution?: string
  /** Without children that their execution has retried: each item once. */
  newest?: boolean
}

export interface JobPage {
  jobs: JobRecord[]
  /** `<created>#<id>` of the last record looked at. */
  next?: string
}

const DAY_MS = 86_400_000

type Env = Pick<Environment, 'store' | 'limits' | 'clock'>

/**
 * A page. `next` is given when there is one more job, or when the bound of what a request reads was reached
 * (`listDaysMax`, `listKeysMax`): then there may be none.
 */
export async function listJobs(
  filter: JobFilter,
  limit: number,
  after: string | undefined,
  env: Env,
): Promise<JobPage> {
  const page = await look(filter, limit + 1, after, env)
  if (page.jobs.length <= limit) return page
  const jobs = page.jobs.slice(0, limit)
  const last = jobs.at(-1)
  return { jobs, ...(last ? { next: `${stamp(last.createdAt)}#${last.id}` } : {}) }
}

async function look(filter: JobFilter, limit: number, after: string | undefined, env: Env): Promise<JobPage> {
  return filter.execution
    ? await listPartitions((day) => (day === undefined ? childPartitions(filter) : []), filter, limit, after, env)
    : await listDays(filter, limit, after, env)
}

interface Partition {
  pk: string
  prefix: string
}

function childPartitions(filter: JobFilter): Partition[] {
  const letters = (filter.statuses ?? STATUSES).map((status) => STATUS_LETTERS[status])
  if (!filter.newest) letters.push(SUPERSEDED_LETTER)
  return letters.flatMap((letter) =>
    Array.from({ length: MEMBER_SHARDS }, (_, shard) => ({
      pk: childrenPartition(filter.tenant, filter.execution ?? '', shard),
      prefix: `${letter}#`,
    })),
  )
}

async function listPartitions(
  partitions: (day?: string) => Partition[],
  filter: JobFilter,
  limit: number,
  after: string | undefined,
  env: Env,
): Promise<JobPage> {
  const keys = await newestKeys(partitions(), after, env.limits.listKeysMax, env)
  return await pick(keys, filter, limit, keys.length >= env.limits.listKeysMax, env)
}

async function listDays(filter: JobFilter, limit: number, after: string | undefined, env: Env): Promise<JobPage> {
  const { limits, clock } = env
  let day = after ? Number(after.slice(0, 13)) : clock.now() + DAY_MS
  // A record is kept from its job's end on, and that may have been accepted for a later day; the day itself is read whole.
  const oldest = clock.now() - (limits.historyDays + limits.dueDaysMax + 1) * DAY_MS
  const jobs: JobRecord[] = []
  let looked = 0
  for (let days = 0; days < limits.listDaysMax && day > oldest; days++, day -= DAY_MS) {
    const partitions = filter.types.flatMap((type) =>
      Array.from({ length: MEMBER_SHARDS }, (_, shard) => ({
        pk: jobListPartition(filter.tenant, type, dayOf(day), shard),
        prefix: '',
      })),
    )
    const keys = await newestKeys(partitions, after, limits.listKeysMax - looked, env)
    looked += keys.length
    const page = await pick(keys, filter, limit - jobs.length, looked >= limits.listKeysMax, env)
    jobs.push(...page.jobs)
    if (page.next) return { jobs, next: page.next }
  }
  return day > oldest ? { jobs, next: endOfDay(day) } : { jobs }
}

/** A place behind every job of that day: whoever goes on there reads it whole, whatever the time of day is by then. */
const endOfDay = (ms: number): string => `${stamp((Math.floor(ms / DAY_MS) + 1) * DAY_MS - 1)}#~`

/** Index keys of all partitions, newest first, below `after`. */
async function newestKeys(
  partitions: Partition[],
  after: string | undefined,
  limit: number,
  env: Env,
): Promise<{ item: Item; place: string }[]> {
  const pages = await Promise.all(
    partitions.map(async ({ pk, prefix }) => {
      const page = await env.store.query({
        index: 'members',
        pk,
        from: prefix,
        to: after ? `${prefix}${after}` : `${prefix}~`,
        reverse: true,
        limit,
      })
      return page.items.map((item) => ({ item, place: String(item.m_sk).slice(prefix.length) }))
    }),
  )
  return pages
    .flat()
    .filter(({ place }) => place !== after)
    .sort((a, b) => (a.place < b.place ? 1 : -1))
    .slice(0, limit)
}

/** Reads the records in order until the page is full. */
async function pick(
  keys: { item: Item; place: string }[],
  filter: JobFilter,
  limit: number,
  cut: boolean,
  env: Env,
): Promise<JobPage> {
  const jobs: JobRecord[] = []
  for (let start = 0; start < keys.length; start += limit) {
    const chunk = keys.slice(start, start + Math.max(limit, 1))
    const items = await env.store.getMany(chunk.map(({ item }) => ({ pk: item.pk, sk: item.sk })))
    const byKey = new Map(items.map((item) => [item.pk, item]))
    for (const { item, place } of chunk) {
      const found = byKey.get(item.pk)
      if (found && !isExpired(found, env.clock.now())) {
        const job = jobOfItem(found)
        if (fits(job, filter)) jobs.push(job)
      }
      if (jobs.length >= limit) return { jobs, next: place }
    }
  }
  const last = keys.at(-1)?.place
  return cut && last ? { jobs, next: last } : { jobs }
}

function fits(job: JobRecord, filter: JobFilter): boolean {
  const { statuses, image, types } = filter
  if (!types.includes(job.type)) return false
  if (statuses && !statuses.includes(job.status)) return false
  if (!image) return true
  return (
    job.image.registry === image.registry &&
    job.image.repository === image.repository &&
    (image.tag === undefined || job.image.tag === image.tag) &&
    (image.digest === undefined || job.image.digest === image.digest)
  )
}

/** What a cursor looks like: `<created>#<id>`, or a day's end. */
export const CURSOR_PATTERN = /^\d{13}#[0-9A-Z~]{1,26}$/
