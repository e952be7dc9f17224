/** Around every handler: its lines say which invocation wrote them, and its metrics are written once, when it ends. */
import type { Context } from 'aws-lambda'
import { logWith, type Metrics, type OperatorLog } from './job/environment.ts'

/**
 * A Lambda handler. `app` is handed on with a log of this invocation's own, since locally several run in one process at the
 * same time.
 */
export function observed<App extends { log: OperatorLog; metrics?: Metrics }, Event, Answer>(
  app: App,
  handle: (event: Event, app: App, context: Context) => Promise<Answer>,
): (event: Event, context: Context) => Promise<Answer> {
  return async (event, context) => {
    const log = logWith(app.log, { requestId: context.awsRequestId })
    try {
      return await handle(event, { ...app, log }, context)
    } finally {
      app.metrics?.flush()
    }
  }
}
