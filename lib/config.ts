/**
 * Every limit: name, unit (last word of the name), default, why. An environment variable
 * `LONGSHORE_<NAME_IN_CAPITALS>` sets it, e.g. `LONGSHORE_LEASE_MARGIN_SECONDS=5`.
 */
import { LongshoreError } from './errors.ts'
import { ADVISORY_LIMITS } from './limits/advisories.ts'
import { API_LIMITS } from './limits/api.ts'
import { EXECUTION_LIMITS } from './limits/executions.ts'
import { JOB_LIMITS } from './limits/job.ts'
import type { Limit } from './limits/limit.ts'
import { REGISTRY_LIMITS } from './limits/registry.ts'
import { SCAN_LIMITS } from './limits/scan.ts'

export const LIMITS = {
  // registry client
  ...REGISTRY_LIMITS,
  // scan
  ...SCAN_LIMITS,
  // advisories
  ...ADVISORY_LIMITS,
  // job protocol
  ...JOB_LIMITS,
  // api
  ...API_LIMITS,
  // executions
  ...EXECUTION_LIMITS,
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
    if (!Number.isInteger(value) || value < l.min || value > l.max)
      throw new LongshoreError(
        'config-invalid',
        `${envName(name)}=${text} is not a whole number from ${l.min} to ${l.max}`,
      )
    limits[name] = value
  }
  return limits as Limits
}
