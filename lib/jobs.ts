/** THE list of job types. A new type is its folder, one line here, and a stanza in serverless.yml. */
import { typesOf } from './job/types.ts'
import { replicateDefinition } from './replicate/definition.ts'
import { scanDefinition } from './scan/definition.ts'

export const JOB_TYPES = [scanDefinition, replicateDefinition] as const

/** For whoever accepts, lists or recovers jobs of any type; the work itself is in the pool's function only. */
export const jobTypes = typesOf(JOB_TYPES)
