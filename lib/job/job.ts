/**
 * A job as its worker holds it: what Harbor's jobservice of 2017 called the Job interface. It knows its id, its type and
 * where its log lies; its status changes by a guarded transition only (2017: an UPDATE without a WHERE on the old
 * status); parameters and credentials come late, when a worker has it in hand.
 */
import type { OpenRegistry } from '../oci/types.ts'
import { apply } from './apply.ts'
import type { JobDefinition } from './define.ts'
import type { Environment } from './environment.ts'
import { logPrefix } from './log.ts'
import type { JobRecord } from './record.ts'
import type { Transition } from './transitions.ts'

export interface Job {
  readonly id: string
  readonly type: string
  /** Prefix of its log's parts in the blob store. */
  readonly logLocation: string
  /** The record after the change, or undefined when the transition's condition did not hold. */
  updateStatus(transition: Transition): Promise<JobRecord | undefined>
  /** Parameters as the type's schema reads them, and registry clients whose credentials are looked up when first used. */
  init(type: JobDefinition<never>): { params: never; registry: OpenRegistry & { close?: () => void } }
}

export const jobOf = (record: JobRecord, env: Environment): Job => ({
  id: record.id,
  type: record.type,
  logLocation: logPrefix(record),
  updateStatus: (transition) => apply(env.store, record, transition),
  init: (type) => ({ params: type.params.parse(record.params), registry: env.registries(record.tenant) }),
})
