/**
 * Children of an execution: found images become jobs of the bulk lane, and children that did not succeed get a successor.
 * Ids are hashes of what they stand for, so a page that is worked on twice submits nobody twice.
 */
import { asLongshoreError, type LongshoreError } from '../errors.ts'
import { parseReference } from '../oci/reference.ts'
import type { OpenRegistry } from '../oci/types.ts'
import { eq } from '../store/condition.ts'
import { ConditionFailed } from '../store/port.ts'
import { assertRoom } from './children-made.ts'
import type { BulkType, FoundImage, JobDefinition } from './define.ts'
import type { Environment } from './environment.ts'
import type { ExecutionRecord } from './execution-record.ts'
import { hasWildcard } from './glob.ts'
import { idOf } from './id.ts'
import { jobKey, memberKeys, supersededKey } from './keys.ts'
import type { JobRecord } from './record.ts'
import { logLine } from './redact.ts'
import type { WalkedTag } from './selector.ts'
import { newJob, putJob, sendFirst } from './submit.ts'

/** What an execution's children are made by. */
export interface Maker {
  execution: ExecutionRecord
  type: JobDefinition<never>
  bulk: BulkType<unknown>
  spec: unknown
  env: Environment
}

type Unresolved = ExecutionRecord['unresolvedItems']

export const unresolvedOf = (item: string, error: LongshoreError): Unresolved[number] => ({
  item,
  code: error.code,
  message: logLine(error.message).slice(0, 200),
})

/** Whether the next failure of this page would end its execution: then what fails alone is left out. */
export const isLastTry = ({ failures }: ExecutionRecord, { limits }: Environment): boolean =>
  failures >= limits.maxAttempts - 1

/**
 * Resolves, puts and sends one page; returns what could not be submitted, and notes in the execution how many it made. An
 * abort ends it before anything is put, and so does a page with which there would be too many.
 *
 * A registry that limits or is gone concerns the whole page: it is listed again later. But a tag that fails each time while
 * others are found must not keep these from their jobs.
 */
export async function submitPage(page: WalkedTag[], maker: Maker, signal?: AbortSignal): Promise<Unresolved> {
  const { execution, bulk, spec, env } = maker
  const open = env.registries(execution.tenant)
  const unresolved: Unresolved = []
  const found: FoundImage[] = []
  const failed: { item: string; error: LongshoreError }[] = []
  await inParallel(page, env.limits.fanOutResolvesInParallel, async ({ registry, repository, tag, named }) => {
    const item = `${registry}/${repository}:${tag}`
    try {
      const digest = await resolve(registry, repository, tag, open, env, signal)
      if (digest) found.push({ registry, repository, tag, digest })
      // A pattern that matches repositories without this tag just does not match them.
      else if (named) unresolved.push({ item, code: 'image-not-found', message: `${item} was not found` })
    } catch (thrown) {
      if (signal?.aborted) throw thrown
      const error = asLongshoreError(thrown)
      if (error.kind === 'permanent') unresolved.push(unresolvedOf(item, error))
      else if (error.kind === 'transient' && isLastTry(execution, env)) failed.push({ item, error })
      else throw error
    }
  })
  if (failed.length > 0 && failed.length === page.length) throw failed[0]!.error
  unresolved.push(...failed.map(({ item, error }) => unresolvedOf(item, error)))
  const children = new Map(
    found
      .sort((a, b) => (`${a.repository}:${a.tag}` < `${b.repository}:${b.tag}` ? -1 : 1))
      .map((image) => {
        const { item } = bulk.child(spec as never, image)
        const id = idOf('child', execution.tenant, execution.id, item)
        return [id, image] as const
      })
      .reverse(),
  )
  await assertRoom([...children.keys()], execution, env)
  const fresh: JobRecord[] = []
  await inParallel([...children], env.limits.fanOutResolvesInParallel, async ([id, image]) => {
    const job = childOf(maker, id, image, bulk.child(spec as never, image).params)
    if ((await putJob(job, env)) === job) fresh.push(job)
  })
  execution.made = (execution.made ?? 0) + fresh.length
  await sendFirst(fresh, env)
  return unresolved
}

/** Of a repository that did not tell its tags: only a listing finds what it stands for. */
export const isPattern = ({ item }: Unresolved[number]): boolean => hasWildcard(item)

/** The tags that were named in vain before, to be looked up once more. */
export const unresolvedTags = (unresolved: Unresolved): Parameters<typeof submitPage>[0] =>
  unresolved.map(({ item }) => {
    const { registry, repository, tag = 'latest' } = parseReference(item)
    return { registry, repository, tag, named: true }
  })

/** A child has one successor in its execution, whichever retry made it. */
const successorOf = (child: JobRecord, execution: ExecutionRecord): string =>
  idOf('child-retry', execution.tenant, execution.id, child.id)

/**
 * A successor for each: put, sent, and only then the old child leaves the count, in the write that names its successor.
 * A crash in between leaves both counted until the page is worked on again, which finds the successor there. A child whose
 * tag cannot be looked up while those of others can stays as it is, for the next retry.
 */
export async function retryChildren(children: JobRecord[], maker: Maker): Promise<void> {
  const { execution, bulk, spec, env } = maker
  const open = env.registries(execution.tenant)
  const fresh: JobRecord[] = []
  const left = new Map<JobRecord, unknown>()
  await inParallel(children, env.limits.fanOutResolvesInParallel, async (child) => {
    const image = await resolveAgain(child, open, env).catch((thrown: unknown) => {
      if (asLongshoreError(thrown).kind !== 'transient' || !isLastTry(execution, env)) throw thrown
      left.set(child, thrown)
      return undefined
    })
    if (!image) return
    const params = image.tag === undefined ? child.params : bulk.child(spec as never, image as FoundImage).params
    const job = childOf(maker, successorOf(child, execution), image, params, child.id)
    if ((await putJob(job, env)) === job) fresh.push(job)
  })
  await sendFirst(fresh, env)
  await supersede(
    children.filter((child) => !left.has(child)),
    execution,
    env,
  )
  if (left.size > 0 && left.size === children.length) throw left.values().next().value
}

/** After a stop nothing is submitted any more; but a successor that is there already stands for its child. */
export async function finishPage(children: JobRecord[], execution: ExecutionRecord, env: Environment): Promise<void> {
  const keyOf = (child: JobRecord) => jobKey(execution.tenant, successorOf(child, execution))
  const there = new Set((await env.store.getMany(children.map(keyOf))).map(({ pk }) => pk))
  await supersede(
    children.filter((child) => there.has(keyOf(child).pk)),
    execution,
    env,
  )
}

async function supersede(children: JobRecord[], execution: ExecutionRecord, env: Environment): Promise<void> {
  await inParallel(children, env.limits.fanOutResolvesInParallel, async (child) => {
    const { m_sk } = memberKeys(child, child.status)
    const set = { retriedBy: successorOf(child, execution), m_sk: supersededKey(child) }
    try {
      await env.store.update(jobKey(child.tenant, child.id), { set }, eq('m_sk', m_sk))
    } catch (thrown) {
      // Done before, by a run of this page that died after it.
      if (!(thrown instanceof ConditionFailed)) throw thrown
    }
  })
}

function childOf(
  { execution, type, env }: Maker,
  id: string,
  image: JobRecord['image'],
  params: JobRecord['params'],
  retryOf?: string,
): JobRecord {
  const { tenant, generation = 0 } = execution
  return newJob(
    {
      tenant,
      id,
      type: execution.type,
      lane: 'bulk',
      params,
      image,
      execution: execution.id,
      ...(retryOf === undefined ? {} : { retryOf }),
      ...(generation > 0 ? { generation } : {}),
    },
    type,
    env,
  )
}

/**
 * The tag as it is now: a retry must not set a target back to an older image. A tag that is gone or refused keeps its
 * digest; whether that can still be had is for the run to say.
 */
async function resolveAgain(child: JobRecord, open: OpenRegistry, env: Environment): Promise<JobRecord['image']> {
  const { registry, repository, tag } = child.image
  if (tag === undefined) return child.image
  try {
    const digest = await resolve(registry, repository, tag, open, env)
    return digest === undefined ? child.image : { registry, repository, tag, digest }
  } catch (thrown) {
    if (asLongshoreError(thrown).kind !== 'permanent') throw thrown
    return child.image
  }
}

async function resolve(
  registry: string,
  repository: string,
  tag: string,
  open: OpenRegistry,
  env: Environment,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const client = await open(registry)
  const timeoutMs = env.limits.registryRequestTimeoutMs
  const found = await client.resolve(repository, tag, { timeoutMs, ...(signal ? { signal } : {}) })
  return found?.digest
}

async function inParallel<T>(items: T[], width: number, each: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: Math.min(width, queue.length) }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await each(item)
    }),
  )
}
