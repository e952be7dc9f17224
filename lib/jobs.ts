/** THE list of job types. A new type is its folder, one line here, and a stanza in serverless.yml. */
import { typesOf } from './job/types.ts'
import { replicate } from './replicate/job.ts'
import { scan } from './scan/job.ts'

export const JOB_TYPES = [scan, replicate] as const

export const jobTypes = typesOf(JOB_TYPES)
