/** Operator logs: structured lines by Powertools, with the request id of the invocation; job logs are something else. */
import { Logger } from '@aws-lambda-powertools/logger'
import type { OperatorLog } from './job/environment.ts'
import { logLine } from './job/redact.ts'

export function operatorLog(service: string): OperatorLog {
  const logger = new Logger({ serviceName: `longshore-${service}` })
  return {
    info: (message, fields = {}) => logger.info(logLine(message), fields),
    warn: (message, fields = {}) => logger.warn(logLine(message), fields),
    error: (message, fields = {}) => logger.error(logLine(message), fields),
  }
}
