/** The fields of a terminal status: reason, time, expiry. */
import type { LongshoreError } from '../errors.ts'
import type { TerminalStatus } from '../glossary.ts'
import type { Environment } from './environment.ts'
import type { JobError } from './record.ts'
import { logLine } from './redact.ts'
import type { Ending } from './transitions.ts'

/** What the job resource shows of an error: one printable sentence, never a stack or a credential. */
export function jobErrorOf(error: LongshoreError): JobError {
  return {
    code: error.code,
    message: logLine(error.message).slice(0, 500),
    ...(error.side ? { side: error.side } : {}),
    retryable: error.retryable,
  }
}

export function ending(
  status: TerminalStatus,
  env: Pick<Environment, 'clock' | 'limits'>,
  more: Omit<Partial<Ending>, 'status' | 'now' | 'expires'> = {},
): Ending {
  const now = env.clock.now()
  return { status, now, expires: Math.ceil(now / 1000) + env.limits.historyDays * 86_400, ...more }
}
