/** Policies: what to do, to which images, when. */
import * as z from 'zod'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import type { BulkType } from '../job/define.ts'
import type { Environment } from '../job/environment.ts'
import { newId, shardOf } from '../job/id.ts'
import { EXECUTION_SHARDS, executionKey, openPartition, policyKey, stamp } from '../job/keys.ts'
import { cancelExecutionsOf } from '../job/policy-cancel.ts'
import { attributesOf, isExpired, RECORD_VERSION } from '../job/record.ts'
import { invalid } from '../job/validate.ts'
import { shownValue } from '../shown-value.ts'
import { absent, eq, exists } from '../store/condition.ts'
import { ConditionFailed, type Item } from '../store/port.ts'
import '../validation.ts'
import { checkCron, nextRuns } from './cron.ts'

export interface PolicyRecord {
  v: number
  id: string
  tenant: string
  name: string
  type: string
  /** The type's own fields, as submitted. */
  spec: { [name: string]: Json }
  cron?: string
  timeZone: string
  enabled: boolean
  /** Present while it is enabled and has a cron. */
  nextRunAt?: number
  /** The last that the schedule began: while it runs, the next instant is skipped. */
  lastExecution?: string
  /** The last of all, also by hand. */
  lastRun?: string
  createdAt: number
  updatedAt: number
  /** Rises with every change, so that two editors do not overwrite each other unseen. */
  revision: number
}

/** Fields every policy has beside its type's own. */
export const commonPolicyFields = {
  name: z.string().min(1).max(100),
  cron: z.string().min(1).max(100).optional(),
  timeZone: z.string().min(1).max(64).optional(),
  enabled: z.boolean().optional(),
}

/** The schema of a policy of this type, strict. */
export const policySchema = (type: string, bulk: BulkType): z.ZodObject =>
  z.strictObject({ ...commonPolicyFields, type: z.literal(type), ...bulk.spec.shape })

/** The schema of one run over many images, strict: a schedule belongs to a policy. */
export const requestSchema = (type: string, bulk: BulkType): z.ZodObject =>
  z.strictObject({ type: z.literal(type), ...bulk.spec.shape })

export const policyOfItem = (item: Item): PolicyRecord => {
  return attributesOf(item) as unknown as PolicyRecord
}

const policyOpenKeys = (policy: PolicyRecord) =>
  policy.nextRunAt === undefined
    ? {}
    : {
        o_pk: openPartition('policy', shardOf(policy.id, EXECUTION_SHARDS)),
        o_sk: `${stamp(policy.nextRunAt)}#${policy.id}`,
      }

const itemOf = (policy: PolicyRecord): Item => ({
  ...(JSON.parse(JSON.stringify(policy)) as Item),
  ...policyKey(policy.tenant, policy.id),
  ...policyOpenKeys(policy),
})

/** The type that a body names, and how it runs over many images. Throws `invalid-value`. */
function bulkOf(body: Json, env: Environment): { typeName: string; bulk: BulkType } {
  const known = [...env.types.values()].filter((type) => type.bulk).map((type) => type.type)
  const fail = (pointer: string, detail: string): never => {
    throw new LongshoreError('invalid-value', detail, { errors: [{ pointer, detail }] })
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return fail('', `the body is ${shownValue(body)}; send a JSON object with "type", one of ${known.join(', ')}`)
  const { type: typeName } = body
  const bulk = typeof typeName === 'string' ? env.types.get(typeName)?.bulk : undefined
  if (bulk && typeof typeName === 'string') return { typeName, bulk }
  const wrong = typeName === undefined ? 'the type is missing' : `${shownValue(typeName)} cannot run over many images`
  return fail('/type', `${wrong}; write one of ${known.join(', ')}`)
}

/** What runs over which images, without name and schedule. Throws `invalid-value`, `registry-not-allowed`. */
export async function checkBulk(
  tenant: string,
  body: Json,
  env: Environment,
): Promise<Pick<PolicyRecord, 'type' | 'spec'>> {
  const { typeName, bulk } = bulkOf(body, env)
  const parsed = requestSchema(typeName, bulk).safeParse(body)
  if (!parsed.success) throw invalid(parsed.error)
  const { type: _type, ...spec } = parsed.data as { [name: string]: Json }
  await checkRegistries(tenant, typeName, bulk, spec, env)
  return { type: typeName, spec }
}

/** Checks a body against its type's schema, its cron, and that its registries are allowed. Throws `invalid-value`, `registry-not-allowed`. */
export async function checkPolicy(
  tenant: string,
  body: Json,
  env: Environment,
): Promise<Pick<PolicyRecord, 'name' | 'type' | 'spec' | 'cron' | 'timeZone' | 'enabled'>> {
  const { typeName, bulk } = bulkOf(body, env)
  const parsed = policySchema(typeName, bulk).safeParse(body)
  if (!parsed.success) throw invalid(parsed.error)
  const {
    name,
    cron,
    timeZone = 'UTC',
    enabled = true,
    type: _type,
    ...spec
  } = parsed.data as { [name: string]: Json } & {
    name: string
    cron?: string
    timeZone?: string
    enabled?: boolean
  }
  checkCron(cron, timeZone)
  await checkRegistries(tenant, typeName, bulk, spec, env)
  return { name, type: typeName, spec, timeZone, enabled, ...(cron === undefined ? {} : { cron }) }
}

/** That every registry a spec names may be talked to. No socket is opened. */
async function checkRegistries(
  tenant: string,
  typeName: string,
  bulk: BulkType,
  spec: { [name: string]: Json },
  env: Environment,
): Promise<void> {
  const open = env.registries(tenant)
  const refuse = (pointer: string) => (thrown: unknown) => {
    if (thrown instanceof LongshoreError)
      throw new LongshoreError(thrown.code, thrown.message, {
        cause: thrown,
        errors: [{ pointer, detail: thrown.message }],
      })
    throw thrown
  }
  for (const selector of bulk.selectors(spec as never))
    await open(selector.registry).catch(refuse(typeName === 'scan' ? '/images' : '/source/registry'))
  for (const other of bulk.otherHosts(spec as never)) await open(other.host).catch(refuse(other.pointer))
}

const schedule = (policy: PolicyRecord, now: number): PolicyRecord => {
  const { nextRunAt: _old, ...rest } = policy
  const next = policy.enabled && policy.cron ? nextRuns(policy.cron, policy.timeZone, now, 1)[0] : undefined
  return next === undefined ? rest : { ...rest, nextRunAt: next }
}

export async function createPolicy(tenant: string, body: Json, env: Environment): Promise<PolicyRecord> {
  const checked = await checkPolicy(tenant, body, env)
  const now = env.clock.now()
  const policy = schedule(
    {
      v: RECORD_VERSION,
      id: newId(env.clock, env.random),
      tenant,
      ...checked,
      createdAt: now,
      updatedAt: now,
      revision: 1,
    },
    now,
  )
  await env.store.put(itemOf(policy), absent('pk'))
  return policy
}

/** Throws `policy-not-found`. */
export async function requirePolicy(
  tenant: string,
  id: string,
  env: Pick<Environment, 'store'>,
): Promise<PolicyRecord> {
  const item = await env.store.get(policyKey(tenant, id))
  if (!item)
    throw new LongshoreError('policy-not-found', `there is no policy ${id.slice(0, 64)}; GET /v1/policies lists them`)
  return policyOfItem(item)
}

/**
 * Replaces all fields a user may set; what the ticks note beside them (which run was the last) stays as they leave it. The
 * next fire time is computed anew from now, unless one is due just now.
 */
export async function replacePolicy(tenant: string, id: string, body: Json, env: Environment): Promise<PolicyRecord> {
  const old = await requirePolicy(tenant, id, env)
  const checked = await checkPolicy(tenant, body, env)
  const now = env.clock.now()
  const { cron: _cron, nextRunAt: _next, ...kept } = old
  const fresh = schedule({ ...kept, ...checked, v: RECORD_VERSION, updatedAt: now, revision: old.revision + 1 }, now)
  // An instant that is due may have begun an execution that the tick could not note any more: the next tick will.
  if (fresh.nextRunAt !== undefined && old.nextRunAt !== undefined && old.nextRunAt <= now)
    fresh.nextRunAt = old.nextRunAt
  const { v, revision, updatedAt, cron, nextRunAt } = fresh
  const ofTime = {
    ...(cron === undefined ? {} : { cron }),
    ...(nextRunAt === undefined ? {} : { nextRunAt, ...policyOpenKeys(fresh) }),
  }
  const set = JSON.parse(JSON.stringify({ ...checked, v, revision, updatedAt, ...ofTime }))
  const remove = ['cron', 'nextRunAt', 'o_pk', 'o_sk'].filter((name) => !(name in set))
  let policy: PolicyRecord
  try {
    policy = policyOfItem(await env.store.update(policyKey(tenant, id), { set, remove }, eq('revision', old.revision)))
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
    throw new LongshoreError('conflict', `policy ${id} was changed by someone else meanwhile; read it again and repeat`)
  }
  if (!policy.enabled) await cancelExecutionsOf(tenant, id, env)
  return policy
}

/** What waits of its executions is canceled, what runs may finish. Throws `policy-not-found`. */
export async function deletePolicy(tenant: string, id: string, env: Environment): Promise<void> {
  await requirePolicy(tenant, id, env)
  await env.store.delete(policyKey(tenant, id))
  await cancelExecutionsOf(tenant, id, env)
}

/** Notes which execution of it began last; a policy that is gone meanwhile needs no note. */
export async function noteRun(tenant: string, id: string, execution: string, env: Environment): Promise<void> {
  await env.store
    .update(policyKey(tenant, id), { set: { lastRun: execution } }, exists('pk'))
    .catch((thrown: unknown) => {
      if (!(thrown instanceof ConditionFailed)) throw thrown
    })
}

/** The last execution of each of these policies, where its record is still kept. */
export async function lastExecutions(
  policies: PolicyRecord[],
  env: Pick<Environment, 'store' | 'clock'>,
): Promise<(string | undefined)[]> {
  const lasts = policies.map(({ lastRun, lastExecution }) => lastRun ?? lastExecution)
  const keys = policies.flatMap(({ tenant }, n) => (lasts[n] === undefined ? [] : [executionKey(tenant, lasts[n])]))
  const items = keys.length > 0 ? await env.store.getMany(keys) : []
  const kept = new Set(items.filter((item) => !isExpired(item, env.clock.now())).map(({ pk }) => pk))
  return lasts.map((last, n) =>
    last !== undefined && kept.has(executionKey(policies[n]?.tenant ?? '', last).pk) ? last : undefined,
  )
}

/**
 * In the order of their ids, which is the order they were made in. `after` is the id of the last one seen; a page may be
 * shorter than asked, as the table ends one at 1 MB.
 */
export async function listPolicies(
  tenant: string,
  limit: number,
  after: string | undefined,
  env: Pick<Environment, 'store'>,
): Promise<{ policies: PolicyRecord[]; next?: string }> {
  const { pk } = policyKey(tenant, '')
  // "!" sorts before every character of an id, so this is what follows it.
  const page = await env.store.query({ pk, limit: limit + 1, ...(after === undefined ? {} : { from: `${after}!` }) })
  const policies = page.items.slice(0, limit).map(policyOfItem)
  const last = policies.at(-1)
  const goesOn = page.items.length > limit || page.cursor !== undefined
  return { policies, ...(goesOn && last ? { next: last.id } : {}) }
}
