/** The actions on message move tasks. */
import { SqsError } from '../errors.ts'
import { integerOf, requiredText, textOf } from '../input.ts'
import type { Queue } from '../queue.ts'
import type { Actions, Call } from './action.ts'

const PER_SECOND_MAX = 500
const LISTED_MAX = 10

export const moveTaskActions: Actions = {
  StartMessageMoveTask: (call) => {
    const { hub, input } = call
    const source = sourceOf(call)
    if (hub.sourcesOf(source).length === 0)
      throw new SqsError('InvalidParameterValueException', 'Source queue must be configured as a Dead Letter Queue.')
    const arn = textOf(input, 'DestinationArn')
    const target = arn === undefined ? undefined : existing(call, arn, 'destination')
    if (target === source)
      throw new SqsError('InvalidParameterValueException', 'Source queue and destination queue are the same.')
    const perSecond = integerOf(input, 'MaxNumberOfMessagesPerSecond', 1, PER_SECOND_MAX)
    return { TaskHandle: hub.moves.start(source, target, perSecond).handle }
  },

  ListMessageMoveTasks: (call) => {
    const limit = integerOf(call.input, 'MaxResults', 1, LISTED_MAX) ?? 1
    const tasks = call.hub.moves.of(sourceOf(call)).slice(0, limit)
    return {
      Results: tasks.map((task) => ({
        TaskHandle: task.status === 'RUNNING' ? task.handle : undefined,
        Status: task.status,
        SourceArn: task.source.identity.arn,
        DestinationArn: task.target?.identity.arn,
        MaxNumberOfMessagesPerSecond: task.perSecond,
        ApproximateNumberOfMessagesMoved: task.moved,
        ApproximateNumberOfMessagesToMove: task.toMove,
        FailureReason: task.failure,
        StartedTimestamp: task.startedAt,
      })),
    }
  },

  CancelMessageMoveTask: ({ hub, input }) => ({
    ApproximateNumberOfMessagesMoved: hub.moves.cancel(requiredText(input, 'TaskHandle')).moved,
  }),
}

const sourceOf = (call: Call): Queue => existing(call, requiredText(call.input, 'SourceArn'), 'source')

function existing({ hub }: Call, arn: string, which: 'source' | 'destination'): Queue {
  const queue = hub.byArn(arn)
  if (!queue)
    throw new SqsError(
      'ResourceNotFoundException',
      `The resource that you specified for the ${which} queue doesn't exist.`,
    )
  return queue
}
