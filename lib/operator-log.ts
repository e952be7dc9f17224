/** Operator logs: structured lines by Powertools, one JSON object each; job logs are something else. */
import { Logger } from '@aws-lambda-powertools/logger'
import type { Json } from './glossary.ts'
import type { OperatorLog } from './job/environment.ts'
import { logLine } from './job/redact.ts'

type Fields = { [name: string]: Json }

/**
 * The log of one function. Texts in messages and fields are redacted, cut and freed of control characters: what a registry
 * answers may stand in them, and whoever reads them may do so in a terminal.
 */
export function operatorLog(service: string): OperatorLog {
  const logger = new Logger({ serviceName: `longshore-${service}` })
  return {
    info: (message, fields = {}) => logger.info(logLine(message), cleanFields(fields)),
    warn: (message, fields = {}) => logger.warn(logLine(message), cleanFields(fields)),
    error: (message, fields = {}) => logger.error(logLine(message), cleanFields(fields)),
  }
}

const cleanFields = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, clean(value)]))

function clean(value: Json): Json {
  if (typeof value === 'string') return logLine(value)
  if (Array.isArray(value)) return value.map(clean)
  return typeof value === 'object' && value !== null ? cleanFields(value as Fields) : value
}
