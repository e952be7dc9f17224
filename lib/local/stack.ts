/**
 * What serverless-offline lacks, around it and in the same process: the embedded DynamoDB and SQS, the pollers, the
 * minute ticks, two demo registries and the advisory revision. Application code knows nothing of it: this sets
 * endpoints and credentials in the environment and makes the tables and queues that serverless.yml describes.
 */
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SQSClient } from '@aws-sdk/client-sqs'
import { DEMO_REPOSITORY } from '../advisories/model.ts'
import { systemClock } from '../clock.ts'
import { readLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { AdvisoryBuilds } from './advisory-builds.ts'
import { useLocalAws } from './aws-variables.ts'
import { type DataLock, lockDataDir } from './data-lock.ts'
import { DEMO_TAG, seedDemo } from './demo/image.ts'
import { showDemo, showWithoutDemo } from './demo/show.ts'
import { startDynamo } from './dynamo.ts'
import { expiry, lifecycleRules } from './expiry.ts'
import { Functions, type ServerlessInstance } from './functions.ts'
import { type Pollers, startPollers, tellProblem } from './pollers/start.ts'
import { portError, requireFreePort } from './ports.ts'
import { startRegistry } from './registry/server.ts'
import { makeQueues, makeTable, type Resources } from './resources.ts'
import { readSettings, type Settings } from './settings.ts'
import { startSqs } from './sqs/server.ts'
import { tellSelfCheck } from './start-check.ts'
import { secondsOfRate, startTicker, type Ticker } from './ticker.ts'
import { startWorkerProcesses, type WorkerProcesses } from './worker-processes.ts'

const REGION = 'us-east-1'
const ACCOUNT = '000000000000'
/** How long running invocations may go on after a stop was asked; the whole end takes less than 2 s. */
const GRACE_MS = 500
/** How often what has expired is deleted, and how much of the table one look takes: all of 100,000 items in 17 hours. */
const EXPIRY_SECONDS = 600
const EXPIRY_MOST = 1_000
/** How often it is asked whether the API answers already. */
const ANSWER_POLL_MS = 50

type Close = () => Promise<unknown>

/** A server that the user named and that cannot be used is told by its variable. */
const unusable = (variable: string) => (cause: Error) => {
  throw new LongshoreError(
    'config-invalid',
    `${variable}=${process.env[variable]} cannot be used (${cause.message || cause.name}); start that server, or unset the variable to use the embedded one`,
    { cause },
  )
}

export class LocalStack {
  readonly #serverless: ServerlessInstance
  readonly #closes: Close[] = []
  readonly #tickers: Ticker[] = []
  #settings!: Settings
  #functions!: Functions
  #queueNames = new Map<string, string>()
  #queueUrlPrefix = ''
  #sqs!: SQSClient
  #advisories!: AdvisoryBuilds
  #expire: (() => Promise<unknown>) | undefined
  #pollers: Pollers | undefined
  #workers: WorkerProcesses | undefined
  #closing: Promise<void> | undefined

  constructor(serverless: ServerlessInstance) {
    this.#serverless = serverless
  }

  /** What a person is told of a failed start: one sentence, or the stack of what we did not foresee. */
  sentence(thrown: unknown): string {
    return thrown instanceof LongshoreError ? thrown.message : String((thrown as Error)?.stack ?? thrown)
  }

  /** Before serverless-offline starts. When it throws, `close` ends what was started. */
  async prepare(): Promise<void> {
    readLimits(process.env)
    this.#settings = readSettings(process.env)
    await this.#start(this.#settings)
  }

  async #start(settings: Settings): Promise<void> {
    const lock: DataLock = await lockDataDir(settings.dataDir)
    this.#closes.push(() => lock.release())
    // Whoever holds the lock knows: every former worker is dead and every former message is gone.
    const startedAt = Date.now()
    await requireFreePort(settings.port, 'LONGSHORE_PORT', '3100')
    await this.#startRegistries(settings)

    useLocalAws(process.env, REGION)
    await Promise.all([this.#startDynamo(settings), this.#startSqs(settings)])

    const resources = this.#serverless.service.resources.Resources as Resources
    const table = await makeTable(resources, new DynamoDBClient({})).catch(unusable('AWS_ENDPOINT_URL_DYNAMODB'))
    this.#sqs = new SQSClient({ requestHandler: { httpAgent: { maxSockets: 256 } } })
    this.#queueNames = await makeQueues(resources, this.#sqs, readLimits(process.env)).catch(
      unusable('AWS_ENDPOINT_URL_SQS'),
    )
    this.#functions = new Functions(this.#serverless)
    this.#functions.prepare(settings, this.#environment(settings, table, startedAt))
    this.#advisories = new AdvisoryBuilds(settings, this.#serverless.serviceDir)
    // A server that the user named has a TTL of its own.
    if (!settings.dynamoEndpoint) this.#expire = this.#expiry(table, resources, settings)
  }

  #expiry(table: string, resources: Resources, { dataDir }: Settings): () => Promise<unknown> {
    const folder = join(dataDir, 'blobs')
    const rules = lifecycleRules(resources)
    return expiry({ client: new DynamoDBClient({}), table, folder, rules, clock: systemClock, most: EXPIRY_MOST })
  }

  async #startRegistries(settings: Settings): Promise<void> {
    for (const [index, port] of settings.demoPorts?.entries() ?? []) {
      const dataDir = join(settings.dataDir, index === 0 ? 'registry-source' : 'registry-target')
      const registry = await startRegistry({ port, dataDir }).catch((error) => {
        throw portError(error, port, 'LONGSHORE_DEMO_PORTS', '5101,5102 (or set LONGSHORE_DEMO=off)')
      })
      this.#closes.push(() => registry.close())
      if (index === 0) await seedDemo(registry.host)
    }
  }

  async #startDynamo(settings: Settings): Promise<void> {
    if (settings.dynamoEndpoint) return
    const dynamo = await startDynamo({ dataDir: join(settings.dataDir, 'dynamodb') })
    this.#closes.push(() => dynamo.close())
    process.env.AWS_ENDPOINT_URL_DYNAMODB = dynamo.endpoint
  }

  async #startSqs(settings: Settings): Promise<void> {
    const stage = `longshore-${this.#serverless.service.provider.stage}-`
    if (settings.sqsEndpoint) {
      this.#queueUrlPrefix = `${settings.sqsEndpoint.replace(/\/$/, '')}/${ACCOUNT}/${stage}`
      return
    }
    const sqs = await startSqs({ region: REGION, accountId: ACCOUNT })
    this.#closes.push(() => sqs.close())
    process.env.AWS_ENDPOINT_URL_SQS = sqs.endpoint
    this.#queueUrlPrefix = `${sqs.queueUrlPrefix}${stage}`
  }

  /** The same variables as in the cloud, with local values. */
  #environment(settings: Settings, table: string, startedAt: number): Record<string, string> {
    const demo = (settings.demoPorts ?? []).map((port) => ({
      host: `127.0.0.1:${port}`,
      insecure: true,
      allowPrivate: true,
    }))
    const own = settings.registries
    const named = new Set(own.map(({ host }) => host))
    const registries = [...demo.filter(({ host }) => !named.has(host)), ...own]
    const defaultRegistry = settings.defaultRegistry ?? demo[0]?.host
    const limits = Object.entries(process.env).filter(([name]) => name.startsWith('LONGSHORE_'))
    return {
      ...(Object.fromEntries(limits) as Record<string, string>),
      LONGSHORE_TABLE: table,
      LONGSHORE_QUEUE_PREFIX: this.#queueUrlPrefix,
      LONGSHORE_BLOBS: `file:${join(settings.dataDir, 'blobs')}`,
      LONGSHORE_SECRETS: `file:${join(settings.dataDir, 'secrets')}`,
      LONGSHORE_EVENTS: `file:${join(settings.dataDir, 'events.jsonl')}`,
      LONGSHORE_REGISTRIES: JSON.stringify(registries),
      ...(defaultRegistry ? { LONGSHORE_DEFAULT_REGISTRY: defaultRegistry } : {}),
      LONGSHORE_HOSTS: [`127.0.0.1:${settings.port}`, `localhost:${settings.port}`].join(','),
      LONGSHORE_WORKERS_DEAD_BEFORE: String(startedAt),
      // Operators of a laptop read warnings; LONGSHORE_LOG_LEVEL=INFO shows the rest.
      POWERTOOLS_LOG_LEVEL: process.env.LONGSHORE_LOG_LEVEL ?? 'WARN',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    }
  }

  /** Resolves when the API answers. */
  async answering(): Promise<void> {
    const answers = () =>
      fetch(`http://127.0.0.1:${this.#settings.port}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      )
    while (!(await answers())) await systemClock.sleep(ANSWER_POLL_MS)
  }

  /** Once the API answers: workers, ticks, advisories, and the main job in front of the reader. */
  async serve(): Promise<void> {
    const settings = this.#settings
    const mappings = this.#functions.mappings(this.#queueNames)
    if (settings.workerProcesses > 0)
      this.#workers = startWorkerProcesses(settings.workerProcesses, {
        script: join(this.#serverless.serviceDir, 'dist/local/worker-process.mjs'),
        environment: this.#functions.environment,
        work: {
          root: this.#serverless.serviceDir,
          queueUrlPrefix: this.#queueUrlPrefix,
          mappings,
          consumers: this.#functions.consumers(),
          region: REGION,
          accountId: ACCOUNT,
        },
      })
    else
      this.#pollers = startPollers({
        client: this.#sqs,
        queueUrlPrefix: this.#queueUrlPrefix,
        mappings,
        invoke: (functionName, event) => this.#functions.invoke(functionName, event),
        region: REGION,
        accountId: ACCOUNT,
        onProblem: tellProblem,
      })
    const firstTicks: Promise<void>[] = []
    for (const { functionName, rate } of this.#functions.schedules()) {
      const seconds = secondsOfRate(rate)
      if (seconds === undefined) continue
      // The advisory build takes seconds of a core: locally a thread does what the function does in the cloud.
      const tick =
        functionName === 'advisories' ? () => this.#advisories.build() : () => this.#functions.invoke(functionName, {})
      firstTicks.push(
        new Promise((resolve) => {
          const ticked = () => tick().finally(resolve)
          this.#tickers.push(startTicker(seconds === 60 ? settings.tickSeconds : seconds, ticked, 'now'))
        }),
      )
    }
    if (this.#expire) this.#tickers.push(startTicker(EXPIRY_SECONDS, this.#expire, 'later'))
    const api = `http://127.0.0.1:${settings.port}`
    void Promise.all(firstTicks).then(() => this.#closing ?? tellSelfCheck(api))
    if (!settings.demoPorts) return showWithoutDemo(api)
    const [source, target] = settings.demoPorts.map((port) => `127.0.0.1:${port}`) as [string, string]
    void showDemo({ api, source, target, image: `${DEMO_REPOSITORY}:${DEMO_TAG}`, dataDir: settings.dataDir })
  }

  /** Ends everything, by a signal or a failed start. Called again, it waits for the same end. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const ticker of this.#tickers.splice(0)) ticker.stop()
    this.#advisories?.stop()
    await Promise.all([this.#pollers?.stop(GRACE_MS), this.#workers?.stop(GRACE_MS)])
    this.#pollers = undefined
    for (const close of this.#closes.splice(0).reverse()) await close().catch(() => {})
  }
}
