/**
 * Metrics as lines in the embedded metric format, which CloudWatch takes out of a function's output: no call, no waiting.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 * Written by hand: why is told in docs/decisions/0002-dependencies.md.
 */
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import type { CountName, MeasureName, Metrics } from './job/environment.ts'
import type { Variables } from './variables.ts'

const UNITS: { [name in MeasureName]: 'Milliseconds' | 'Bytes' | 'Seconds' } = {
  runMs: 'Milliseconds',
  movedBytes: 'Bytes',
  oldestWaitingSeconds: 'Seconds',
  oldestWaitingBulkSeconds: 'Seconds',
}

/** "A metric value [is] a single value or an array of at most 100 values." */
const VALUES_MAX = 100

const writeLine = (line: string): void => void process.stdout.write(`${line}\n`)

/** Namespace is LONGSHORE_METRICS; undefined without it, as on a laptop: its console is for people. */
export function operatorMetrics(
  variables: Variables,
  write: (line: string) => void = writeLine,
  clock: Pick<Clock, 'now'> = systemClock,
): Metrics | undefined {
  const namespace = variables.LONGSHORE_METRICS
  if (!namespace) return undefined
  /** By type and name. Counts are added up here, measured values are kept one by one. */
  const kept = new Map<string, Map<CountName | MeasureName, number[]>>()
  const valuesOf = (name: CountName | MeasureName, type: string): number[] => {
    const ofType = kept.get(type) ?? new Map<CountName | MeasureName, number[]>()
    const values = ofType.get(name) ?? []
    kept.set(type, ofType.set(name, values))
    return values
  }
  const flush = (): void => {
    for (const [type, metrics] of kept) write(lineOf(namespace, type, metrics, clock.now()))
    kept.clear()
  }
  return {
    count(name, type, by = 1) {
      // What did not happen is not written: CloudWatch bills each metric of each hour in which it has a value.
      if (by <= 0) return
      const values = valuesOf(name, type)
      values[0] = (values[0] ?? 0) + by
    },
    measure(name, type, value) {
      if (valuesOf(name, type).push(value) >= VALUES_MAX) flush()
    },
    flush,
  }
}

/** The one dimension is the job type. */
function lineOf(namespace: string, type: string, metrics: Map<CountName | MeasureName, number[]>, now: number): string {
  const Metrics = [...metrics.keys()].map((Name) => ({
    Name,
    Unit: Name in UNITS ? UNITS[Name as MeasureName] : 'Count',
  }))
  return JSON.stringify({
    _aws: { Timestamp: now, CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [['type']], Metrics }] },
    type,
    ...Object.fromEntries(metrics),
  })
}
