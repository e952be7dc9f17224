/** The order of acceptance for tests that run a type without the job protocol around it. */
import { defaultLimits } from '../../lib/config.ts'
import type { JobOrder } from '../../lib/job/define.ts'
import { tagClaims } from '../../lib/job/tag-claims.ts'
import { memoryStore } from '../../lib/store/memory.ts'

export const orderOf = (more: Partial<JobOrder> = {}): JobOrder => ({
  acceptance: '0000000000001#j',
  leaseUntil: Date.now() + 900_000,
  claims: tagClaims(memoryStore(), 't', defaultLimits),
  followUp: async () => 'none',
  ...more,
})
