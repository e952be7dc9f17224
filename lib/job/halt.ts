/** The two flags of an execution that all its children obey: one read tells both, no child is written for it. */
import type { Store } from '../store/port.ts'
import { executionKey } from './keys.ts'
import type { JobError } from './record.ts'

/** `stop`: nothing starts any more and what runs aborts. `cancel`: nothing starts any more, what runs may finish. */
export type Halt = 'stop' | 'cancel'

export async function haltOf(env: { store: Store }, tenant: string, execution: string): Promise<Halt | undefined> {
  const item = await env.store.get(executionKey(tenant, execution))
  return item?.stop === true ? 'stop' : item?.cancel === true ? 'cancel' : undefined
}

/** Why a child that did not run any more ended; for `cancel` also why its execution did. */
export const HALTED = {
  stop: { code: 'stopped-by-user', message: 'its execution was stopped', retryable: true },
  cancel: {
    code: 'policy-disabled',
    message: 'its policy was disabled or deleted before it was done',
    retryable: true,
  },
} as const satisfies Record<Halt, JobError>
