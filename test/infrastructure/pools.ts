/** What a pool of workers needs in the cloud, and what of it a template lacks, by name. */
import { deadLetterQueueOf } from '../../lib/job/message.ts'
import {
  at,
  type Found,
  functionNamed,
  list,
  mappingOf,
  ofType,
  queueNamed,
  referredTo,
  type Template,
} from './template.ts'

export interface Lane {
  queue: string
  workers: number
  batchSizeMax: number
}

export interface Pool {
  /** Name of the consumer function; its dead-letter queue is named after it. */
  name: string
  timeoutSeconds: number
  lanes: readonly Lane[]
}

/** After so many receives without an acknowledgement a message is a dead letter (design §3). */
const RECEIVES_MAX = 5
/** AWS asks for six times the function's timeout: the poller may retry while the function is throttled. */
const VISIBILITY_FACTOR = 6

/** One sentence per thing that is missing or different. */
export function poolProblems(template: Template, pool: Pool): string[] {
  const problems: string[] = []
  const deadLetters = queueNamed(template, deadLetterQueueOf(pool.name))
  const consumer = functionNamed(template, pool.name)
  const undertaker = functionNamed(template, 'dead-letter')
  if (!consumer) problems.push(`the function ${pool.name} is missing`)
  if (consumer && consumer.properties.Timeout !== pool.timeoutSeconds)
    problems.push(`the function ${pool.name} ends after ${consumer.properties.Timeout} s, not ${pool.timeoutSeconds}`)
  if (!undertaker) problems.push('the function dead-letter is missing')
  if (!deadLetters) problems.push(`the queue ${deadLetterQueueOf(pool.name)} is missing`)
  else {
    if (undertaker) problems.push(...mappingProblems(template, deadLetters, undertaker))
    problems.push(...alarmProblems(template, deadLetters, 'ApproximateNumberOfMessagesVisible'))
  }
  for (const lane of pool.lanes) {
    const queue = queueNamed(template, lane.queue)
    if (!queue) {
      problems.push(`the queue ${lane.queue} is missing`)
      continue
    }
    const { RedrivePolicy, VisibilityTimeout } = queue.properties
    if (!deadLetters || referredTo(at(RedrivePolicy, 'deadLetterTargetArn')) !== deadLetters.id)
      problems.push(`the queue ${lane.queue} hands its dead letters to nobody`)
    if (at(RedrivePolicy, 'maxReceiveCount') !== RECEIVES_MAX)
      problems.push(`the queue ${lane.queue} does not give up after ${RECEIVES_MAX} receives`)
    const visibility = VISIBILITY_FACTOR * pool.timeoutSeconds
    if (!(Number(VisibilityTimeout) >= visibility))
      problems.push(
        `the queue ${lane.queue} hides a message for ${VisibilityTimeout} s, at least ${visibility} are needed`,
      )
    if (consumer) problems.push(...mappingProblems(template, queue, consumer, lane))
  }
  const [first] = pool.lanes
  const interactive = first && queueNamed(template, first.queue)
  if (interactive) problems.push(...alarmProblems(template, interactive, 'ApproximateAgeOfOldestMessage'))
  // The fan-out has one lane and runs no jobs.
  if (pool.lanes.length > 1)
    for (const metric of OF_TYPE)
      if (!isWatched(template, pool.name, metric)) problems.push(`no alarm watches ${metric} of the type ${pool.name}`)
  return problems
}

/** Our own metrics of a job type that somebody must hear of (lib/metrics.ts). */
const OF_TYPE = ['oldestWaitingSeconds', 'failed']

/** By an alarm on the metric itself, or on an expression of several. */
function isWatched(template: Template, type: string, metric: string): boolean {
  return ofType(template, 'AWS::CloudWatch::Alarm').some(({ properties }) =>
    [properties, ...list(properties.Metrics).map((one) => at(one, 'MetricStat', 'Metric'))].some(
      (one) =>
        at(one, 'MetricName') === metric &&
        at(one, 'Namespace') === 'longshore-dev' &&
        list(at(one, 'Dimensions')).some((dimension) => at(dimension, 'Value') === type),
    ),
  )
}

const nameOf = ({ properties }: Found): string =>
  String(properties.QueueName ?? properties.FunctionName).replace(/^longshore-dev-/, '')

function mappingProblems(template: Template, queue: Found, consumer: Found, lane?: Lane): string[] {
  const names = `the function ${nameOf(consumer)} and the queue ${nameOf(queue)}`
  const mapping = mappingOf(template, queue, consumer)
  if (!mapping) return [`${names} are not connected`]
  const { FunctionResponseTypes, BatchSize, ScalingConfig, Enabled } = mapping.properties
  const workers = at(ScalingConfig, 'MaximumConcurrency')
  return [
    ...(Enabled === true ? [] : [`${names} are connected but switched off`]),
    ...(list(FunctionResponseTypes).includes('ReportBatchItemFailures') ? [] : [`${names}: no partial batch answers`]),
    ...(lane && !(Number(BatchSize) <= lane.batchSizeMax)
      ? [`${names}: batches of ${BatchSize}, at most ${lane.batchSizeMax}`]
      : []),
    ...(lane && workers !== lane.workers ? [`${names}: ${workers} workers, the job type says ${lane.workers}`] : []),
  ]
}

function alarmProblems(template: Template, queue: Found, metric: string): string[] {
  const alarm = ofType(template, 'AWS::CloudWatch::Alarm').find(
    ({ properties }) =>
      properties.MetricName === metric &&
      list(properties.Dimensions).some((dimension) => referredTo(at(dimension, 'Value')) === queue.id),
  )
  if (!alarm) return [`no alarm watches ${metric} of the queue ${nameOf(queue)}`]
  return list(alarm.properties.AlarmActions).length > 0 ? [] : [`the alarm ${alarm.id} tells nobody`]
}
