/** What a process of `worker-processes.ts` runs: its part of the pools, on the servers of the service that started it. */
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { SQSClient } from '@aws-sdk/client-sqs'
import type { SQSEvent } from 'aws-lambda'
import { type Mapping, type Pollers, startPollers, tellProblem } from './pollers/start.ts'

export interface WorkerProcessWork {
  /** Folder of the package, where `dist/` is. */
  root: string
  queueUrlPrefix: string
  mappings: Mapping[]
  consumers: { functionName: string; handler: string; timeoutSeconds: number }[]
  region: string
  accountId: string
}

/** As the service gives its own runs when it ends. */
const GRACE_MS = 500

type Handler = (event: SQSEvent, context: object) => Promise<unknown>

let pollers: Pollers | undefined
const end = async () => {
  await pollers?.stop(GRACE_MS)
  process.exit(0)
}
// A terminal sends SIGINT to the whole group: the service hears it too, and says when.
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})
process.on('SIGTERM', () => void end())
// The service is gone, and its servers with it: nothing that still runs here could be written down.
process.on('disconnect', () => process.exit(0))
process.once('message', (work: WorkerProcessWork) => begin(work))

function begin(work: WorkerProcessWork): void {
  const { root, consumers, ...where } = work
  const require = createRequire(join(root, 'package.json'))
  const functions = new Map(
    consumers.map(({ functionName, handler, timeoutSeconds }) => {
      const dot = handler.lastIndexOf('.')
      let loaded: Handler | undefined
      return [
        functionName,
        async (event: SQSEvent) => {
          loaded ??= require(join(root, `${handler.slice(0, dot)}.js`))[handler.slice(dot + 1)] as Handler
          return await loaded(event, contextOf(functionName, timeoutSeconds))
        },
      ]
    }),
  )
  pollers = startPollers({
    ...where,
    client: new SQSClient({ requestHandler: { httpAgent: { maxSockets: 256 } } }),
    invoke: async (functionName, event) => await functions.get(functionName)?.(event),
    onProblem: tellProblem,
  })
}

/** The part of Lambda's context that says when the function ends, and which invocation this is. */
function contextOf(functionName: string, timeoutSeconds: number): object {
  const endsAt = performance.now() + timeoutSeconds * 1000
  return {
    awsRequestId: randomUUID(),
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${functionName}`,
    memoryLimitInMB: '1024',
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(endsAt - performance.now())),
  }
}
