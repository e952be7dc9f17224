/** The functions of serverless.yml under serverless-offline: their environment, their event sources, and a call. */
import type { SQSEvent } from 'aws-lambda'
import { readLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { Mapping } from './pollers/start.ts'
import { logicalIdOf } from './resources.ts'
import type { Settings } from './settings.ts'
import { socketFile } from './socket-file.ts'

interface SqsSource {
  arn: unknown
  batchSize?: number
  maximumConcurrency?: number
  maximumBatchingWindow?: number
  functionResponseType?: string
}

interface FunctionDefinition {
  name: string
  handler: string
  timeout?: number
  events: { httpApi?: { authorizer?: unknown } | string; sqs?: SqsSource; schedule?: { rate: string | string[] } }[]
}

/** The part of a Serverless instance that is used. */
export interface ServerlessInstance {
  serviceDir: string
  service: {
    service: string
    provider: { stage: string; environment: { [name: string]: unknown } }
    custom: { [name: string]: unknown }
    functions: { [name: string]: FunctionDefinition }
    resources: { Resources: object }
  }
}

interface LambdaPool {
  create(functions: { functionKey: string; functionDefinition: FunctionDefinition }[]): void
  get(name: string): { setEvent(event: unknown): void; runHandler(): Promise<unknown> }
}

export class Functions {
  readonly #serverless: ServerlessInstance
  readonly #sources = new Map<string, SqsSource[]>()
  readonly #schedules: { functionName: string; rate: string }[] = []
  #pool: LambdaPool | undefined
  /** Variables of every function. */
  environment: Record<string, string> = {}

  constructor(serverless: ServerlessInstance) {
    this.#serverless = serverless
  }

  /** Sets the environment, and takes over the event sources that serverless-offline has not (queues) or has otherwise (ticks). */
  prepare(settings: Settings, environment: Record<string, string>): void {
    const { service } = this.#serverless
    service.provider.environment = environment
    this.environment = environment
    service.custom['serverless-offline'] = {
      ...(service.custom['serverless-offline'] as object),
      httpPort: settings.port,
      // Its Lambda API is not used. It would call any function for whoever reaches its port, pages of other sites too.
      lambdaPort: socketFile(),
    }
    const { functionTimeoutSeconds } = readLimits(process.env)
    for (const [name, definition] of Object.entries(service.functions)) {
      const isApi = definition.events.some(({ httpApi }) => httpApi)
      if (!isApi) definition.timeout = Math.min(definition.timeout ?? functionTimeoutSeconds, functionTimeoutSeconds)
      this.#sources.set(
        name,
        definition.events.flatMap(({ sqs }) => (sqs ? [sqs] : [])),
      )
      for (const { schedule } of definition.events)
        if (schedule) this.#schedules.push({ functionName: name, rate: [schedule.rate].flat()[0] ?? '' })
      definition.events = definition.events.filter(({ sqs, schedule }) => !sqs && !schedule)
      // Signed requests are the cloud's gate; locally only loopback is served.
      for (const { httpApi } of definition.events) if (typeof httpApi === 'object') delete httpApi.authorizer
    }
  }

  mappings(queueNames: Map<string, string>): Mapping[] {
    return [...this.#sources].flatMap(([functionName, sources]) =>
      sources.map((source) => {
        const queue = queueNames.get(logicalIdOf(source.arn))
        if (!queue)
          throw new LongshoreError(
            'config-invalid',
            `serverless.yml: an event source of ${functionName} names no queue of this stack`,
          )
        return {
          queue: queue.slice(`longshore-${this.#serverless.service.provider.stage}-`.length),
          functionName,
          batchSize: source.batchSize ?? 10,
          maximumConcurrency: source.maximumConcurrency ?? 2,
          ...(source.maximumBatchingWindow ? { batchingWindowSeconds: source.maximumBatchingWindow } : {}),
          reportBatchItemFailures: source.functionResponseType === 'ReportBatchItemFailures',
        }
      }),
    )
  }

  /** What another process needs in order to run the functions that take from queues. */
  consumers(): { functionName: string; handler: string; timeoutSeconds: number }[] {
    return Object.entries(this.#serverless.service.functions)
      .filter(([name]) => (this.#sources.get(name)?.length ?? 0) > 0)
      .map(([functionName, { handler, timeout = 0 }]) => ({ functionName, handler, timeoutSeconds: timeout }))
  }

  schedules(): { functionName: string; rate: string }[] {
    return this.#schedules
  }

  /** Runs the handler as Lambda would; rejects when it throws. */
  async invoke(functionName: string, event: SQSEvent | object): Promise<unknown> {
    const pool = await this.#lambda()
    const instance = pool.get(functionName)
    instance.setEvent(event)
    return await instance.runHandler()
  }

  async #lambda(): Promise<LambdaPool> {
    if (this.#pool) return this.#pool
    // @ts-expect-error serverless-offline ships no types; this is the class its own plugins for queues use
    const { default: Lambda } = await import('serverless-offline/lambda')
    const pool = new Lambda(this.#serverless, {
      useInProcess: true,
      noTimeout: true,
      host: '127.0.0.1',
      lambdaPort: 0,
      terminateIdleLambdaTime: 3_600,
    }) as LambdaPool
    pool.create(
      Object.entries(this.#serverless.service.functions).map(([functionKey, functionDefinition]) => ({
        functionKey,
        functionDefinition,
      })),
    )
    this.#pool = pool
    return pool
  }
}
