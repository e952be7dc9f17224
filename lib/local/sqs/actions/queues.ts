/** The actions on queues themselves. */
import { invalidParameter, SqsError } from '../errors.ts'
import { integerOf, requiredText, textMapOf, textOf, textsOf } from '../input.ts'
import type { Queue } from '../queue.ts'
import { isAttributeName } from '../queue-attributes.ts'
import type { Actions, Call } from './action.ts'

const PAGE_MAX = 1000
/** Quota of SQS: "a queue can have up to 50 tags". */
const TAGS_MAX = 50

export const queueOf = ({ hub, input }: Call): Queue => hub.byUrl(requiredText(input, 'QueueUrl'))

export const queueActions: Actions = {
  CreateQueue: ({ hub, input }) => {
    const queue = hub.create(requiredText(input, 'QueueName'), textMapOf(input, 'Attributes'), textMapOf(input, 'tags'))
    return { QueueUrl: hub.urlOf(queue) }
  },

  DeleteQueue: (call) => {
    call.hub.delete(queueOf(call))
    return {}
  },

  GetQueueUrl: ({ hub, input }) => ({ QueueUrl: hub.urlOf(hub.byName(requiredText(input, 'QueueName'))) }),

  ListQueues: (call) => {
    const prefix = textOf(call.input, 'QueueNamePrefix') ?? ''
    const { urls, NextToken } = page(
      call,
      call.hub.list().filter((queue) => queue.name.startsWith(prefix)),
    )
    return { QueueUrls: urls, NextToken }
  },

  ListDeadLetterSourceQueues: (call) => {
    const { urls, NextToken } = page(call, call.hub.sourcesOf(queueOf(call)))
    return { queueUrls: urls, NextToken }
  },

  SetQueueAttributes: (call) => {
    call.hub.setAttributes(queueOf(call), textMapOf(call.input, 'Attributes'))
    return {}
  },

  GetQueueAttributes: (call) => {
    const queue = queueOf(call)
    const names = textsOf(call.input, 'AttributeNames')
    const unknown = names.find((name) => name !== 'All' && !isAttributeName(name))
    if (unknown !== undefined) throw new SqsError('InvalidAttributeName', `Unknown Attribute ${unknown}.`)
    const all = attributesOf(queue)
    const wanted = Object.entries(all).filter(([name]) => names.includes('All') || names.includes(name))
    return wanted.length === 0 ? {} : { Attributes: Object.fromEntries(wanted) }
  },

  PurgeQueue: (call) => {
    queueOf(call).purge()
    return {}
  },

  TagQueue: (call) => {
    const queue = queueOf(call)
    const tags = { ...queue.tags, ...textMapOf(call.input, 'Tags') }
    if (Object.keys(tags).length > TAGS_MAX) throw invalidParameter('Tags', TAGS_MAX, 'Too many tags.')
    queue.tags = tags
    call.hub.changed(queue)
    return {}
  },

  UntagQueue: (call) => {
    const queue = queueOf(call)
    const gone = new Set(textsOf(call.input, 'TagKeys'))
    queue.tags = Object.fromEntries(Object.entries(queue.tags).filter(([key]) => !gone.has(key)))
    call.hub.changed(queue)
    return {}
  },

  ListQueueTags: (call) => {
    const { tags } = queueOf(call)
    return Object.keys(tags).length === 0 ? {} : { Tags: tags }
  },
}

function attributesOf(queue: Queue): Record<string, string> {
  const { visible, inFlight, delayed } = queue.counts
  const set = Object.entries(queue.attributes).filter(([, value]) => value !== '')
  return {
    ...Object.fromEntries(set),
    QueueArn: queue.identity.arn,
    ApproximateNumberOfMessages: `${visible}`,
    ApproximateNumberOfMessagesNotVisible: `${inFlight}`,
    ApproximateNumberOfMessagesDelayed: `${delayed}`,
    CreatedTimestamp: `${Math.floor(queue.identity.createdAt / 1000)}`,
    LastModifiedTimestamp: `${Math.floor(queue.modifiedAt / 1000)}`,
  }
}

/** One page by name; the token is the last name given out. As in SQS, no token without MaxResults. */
function page({ hub, input }: Call, queues: Queue[]): { urls: string[] | undefined; NextToken: string | undefined } {
  const limit = integerOf(input, 'MaxResults', 1, PAGE_MAX)
  const token = textOf(input, 'NextToken')
  const after = token === undefined ? '' : Buffer.from(token, 'base64url').toString()
  const rest = queues.filter((queue) => queue.name > after)
  const shown = rest.slice(0, limit ?? PAGE_MAX)
  const last = shown.at(-1)
  const more = limit !== undefined && rest.length > shown.length && last
  return {
    urls: shown.length === 0 ? undefined : shown.map((queue) => hub.urlOf(queue)),
    NextToken: more ? Buffer.from(more.name).toString('base64url') : undefined,
  }
}
