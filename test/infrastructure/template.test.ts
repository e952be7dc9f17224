/** serverless.yml as CloudFormation sees it, what is packaged, and that nothing of either needs a network or an account. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { FAN_OUT } from '../../lib/job/execution.ts'
import { deadLetterQueueOf, queueOf, RE_EVALUATE } from '../../lib/job/message.ts'
import { JOB_TYPES } from '../../lib/jobs.ts'
import { lifecycleRules } from '../../lib/local/expiry.ts'
import { SHARED_TIMEOUTS_SECONDS } from '../../lib/self-check/queues.ts'
import { TABLE, TTL_ATTRIBUTE } from '../../lib/store/table.ts'
import { ROOT, sourceFiles } from '../architecture/sources.ts'
import { actionsInBundle, actionsOfCode } from './calls.ts'
import { checkOut, load, type Packaged, packaged, printedWith, routesWith } from './checkout.ts'
import { type Pool, poolProblems } from './pools.ts'
import { consumedBy, grantsOf, OF_ECR, OF_LAMBDA, queuesOf, roleOf, starProblems } from './roles.ts'
import { at, functionNamed, list, ofType, PREFIX, referredTo, type Template } from './template.ts'

const NAMES = sourceFiles('functions').map((file) => file.slice('functions/'.length, -'.ts'.length))
const TYPES = JOB_TYPES.map(({ type, limits }) => ({ type, limits }))
const LANES = TYPES.flatMap(({ type }) => [queueOf(type, 'interactive'), queueOf(type, 'bulk')])

/** A person's job never waits behind another in one batch; a replication may fill its invocation alone (design §3). */
const poolOf = ({ type, limits }: (typeof TYPES)[number]): Pool => ({
  name: type,
  timeoutSeconds: limits.timeoutSeconds,
  lanes: [
    { queue: queueOf(type, 'interactive'), workers: limits.pool.interactive, batchSizeMax: 1 },
    { queue: queueOf(type, 'bulk'), workers: limits.pool.bulk, batchSizeMax: type === 'replicate' ? 1 : 10 },
  ],
})
const FAN_OUT_POOL: Pool = {
  name: FAN_OUT,
  timeoutSeconds: 300,
  lanes: [{ queue: FAN_OUT, workers: 4, batchSizeMax: 1 }],
}

const RE_EVALUATE_POOL: Pool = {
  name: RE_EVALUATE,
  timeoutSeconds: 300,
  lanes: [{ queue: RE_EVALUATE, workers: 4, batchSizeMax: 1 }],
}

let folder = ''
let plain: Packaged
let code: Map<string, string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-package-'))
  await checkOut(folder)
  ;[plain, code] = await Promise.all([packaged(folder), plainBundles()])
}, 60_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

async function plainBundles(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: NAMES.map((name) => `functions/${name}.ts`),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    write: false,
    outdir: join(ROOT, 'never-written'),
    logLevel: 'error',
  })
  return new Map(outputFiles.map(({ path, text }) => [/([^/\\]+)\.js$/.exec(path)![1]!, text]))
}

const lambda = (name: string) => functionNamed(plain.template, name)!
const grants = (name: string) => grantsOf(roleOf(plain.template, lambda(name))!)

describe('the pool of', () => {
  test.each(TYPES.map(poolOf))('$name has its queues, dead letters, consumer, size and alarms', (pool) => {
    expect(poolProblems(plain.template, pool)).toEqual([])
  })

  test('the fan-out has them too', () => {
    expect(poolProblems(plain.template, FAN_OUT_POOL)).toEqual([])
  })

  test('the re-evaluation has them too', () => {
    expect(poolProblems(plain.template, RE_EVALUATE_POOL)).toEqual([])
  })

  test.each(Object.entries(SHARED_TIMEOUTS_SECONDS))('%s lasts as long as the self-check expects', (name, seconds) => {
    expect(lambda(name).properties.Timeout).toBe(seconds)
  })

  test.each([
    ['ScanQueue', 'the queue scan is missing'],
    ['ScanBulkQueue', 'the queue scan-bulk is missing'],
    ['ScanDeadLetterQueue', 'the queue scan-dlq is missing'],
    ['ScanLambdaFunction', 'the function scan is missing'],
    ['ScanEventSourceMappingSQSScanBulkQueue', 'the function scan and the queue scan-bulk are not connected'],
    [
      'DeadDashletterEventSourceMappingSQSScanDeadLetterQueue',
      'the function dead-letter and the queue scan-dlq are not connected',
    ],
    ['ScanDeadLetterAlarm', 'no alarm watches ApproximateNumberOfMessagesVisible of the queue scan-dlq'],
    ['ScanAgeAlarm', 'no alarm watches ApproximateAgeOfOldestMessage of the queue scan'],
    ['ScanWaitingAlarm', 'no alarm watches oldestWaitingSeconds of the type scan'],
    ['ScanFailedAlarm', 'no alarm watches failed of the type scan'],
  ])('a type is told by name when %s is taken away', (id, sentence) => {
    expect(plain.template.Resources[id]).toBeDefined()
    const { [id]: _, ...Resources } = plain.template.Resources
    expect(poolProblems({ Resources }, poolOf(TYPES[0]!))).toContain(sentence)
  })

  test.each([
    ['ScanQueue', { VisibilityTimeout: 1799 }, 'the queue scan hides a message for 1799 s, at least 1800 are needed'],
    ['ScanQueue', { RedrivePolicy: null }, 'the queue scan hands its dead letters to nobody'],
    ['ScanLambdaFunction', { Timeout: 60 }, 'the function scan ends after 60 s, not 300'],
    [
      'ScanEventSourceMappingSQSScanQueue',
      { FunctionResponseTypes: [] },
      'the function scan and the queue scan: no partial batch answers',
    ],
    [
      'ScanEventSourceMappingSQSScanQueue',
      { ScalingConfig: { MaximumConcurrency: 9 } },
      'the function scan and the queue scan: 9 workers, the job type says 4',
    ],
    [
      'ScanEventSourceMappingSQSScanQueue',
      { BatchSize: 10 },
      'the function scan and the queue scan: batches of 10, at most 1',
    ],
  ])('a type is told by name when %s has %j', (id, properties, sentence) => {
    const doctored = structuredClone(plain.template)
    Object.assign(doctored.Resources[id]!.Properties, properties)
    expect(poolProblems(doctored, poolOf(TYPES[0]!))).toContain(sentence)
  })

  test('a new type without any stanza is told what it lacks', () => {
    const limits = { pool: { interactive: 1, bulk: 1 }, maxAttempts: 1, timeoutSeconds: 60 }
    expect(poolProblems(plain.template, poolOf({ type: 'sign' as never, limits }))).toEqual([
      'the function sign is missing',
      'the queue sign-dlq is missing',
      'the queue sign is missing',
      'the queue sign-bulk is missing',
      'no alarm watches oldestWaitingSeconds of the type sign',
      'no alarm watches failed of the type sign',
    ])
  })
})

describe('the table', () => {
  test('is the one the program makes locally, with TTL and point-in-time recovery', () => {
    const [table, ...more] = ofType(plain.template, 'AWS::DynamoDB::Table')
    expect(more).toEqual([])
    const { AttributeDefinitions, KeySchema, GlobalSecondaryIndexes, BillingMode, ...rest } = table!.properties
    expect({ AttributeDefinitions, KeySchema, GlobalSecondaryIndexes, BillingMode }).toEqual(TABLE)
    expect(rest).toMatchObject({
      TimeToLiveSpecification: { AttributeName: TTL_ATTRIBUTE, Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    })
    // With it the key is one of KMS, which costs per request; without it AWS's own encrypts, as docs/security.md says.
    expect(rest).not.toHaveProperty('SSESpecification')
  })
})

describe('the bucket', () => {
  test('keeps logs and reports a week longer than the history of jobs', () => {
    expect(lifecycleRules(plain.template.Resources as never)).toEqual(
      ['logs/', 'reports/'].map((prefix) => ({ prefix, days: defaultLimits.historyDays + 7 })),
    )
  })
})

describe('the history', () => {
  /** What infrastructure/history.cjs makes of a parameter. */
  const daysOf = async (parameter: string) => {
    const history = createRequire(import.meta.url)('../../infrastructure/history.cjs')
    const variables = { resolveVariable: async () => parameter }
    const { records, images, objects } = history
    return [await records(variables), await images(variables), await objects(variables)]
  }

  test('of records and bucket is one parameter', async () => {
    const { provider, resources } = await printedWith(folder, ['--param', 'historyDays=15'])
    expect(provider.environment).toMatchObject({ LONGSHORE_HISTORY_DAYS: '15', LONGSHORE_IMAGE_DAYS: '15' })
    expect(lifecycleRules(resources.Resources as never).map(({ days }) => days)).toEqual([22, 22])
  })

  test('is by default that of the limits, and an image is not kept longer than its report', async () => {
    const { Environment } = lambda('sweep').properties
    const { historyDays, imageDays } = defaultLimits
    const expected = { LONGSHORE_HISTORY_DAYS: String(historyDays), LONGSHORE_IMAGE_DAYS: String(imageDays) }
    expect(at(Environment, 'Variables')).toMatchObject(expected)
    expect(await daysOf('365')).toEqual(['365', '90', 372])
  })

  test.each(['14', '90.5', 'ninety', '3651', ''])('is not "%s"', async (days) => {
    await expect(daysOf(days)).rejects.toThrow('is not a whole number of days from 15 to 3650')
  })
})

describe('every function', () => {
  test('of functions/ is deployed, and no other', () => {
    const deployed = ofType(plain.template, 'AWS::Lambda::Function').map(({ properties }) =>
      String(properties.FunctionName).slice(PREFIX.length),
    )
    expect(deployed.sort()).toEqual(NAMES)
  })

  test.each(NAMES)('%s runs on arm64 and Node 24, without X-Ray', (name) => {
    const { Runtime, Architectures, TracingConfig, Handler } = lambda(name).properties
    expect([Runtime, Architectures, TracingConfig, Handler]).toEqual([
      'nodejs24.x',
      ['arm64'],
      undefined,
      `dist/functions/${name}.handler`,
    ])
  })

  test.each(NAMES)('%s keeps its output for a limited time', (name) => {
    const group = ofType(plain.template, 'AWS::Logs::LogGroup').find(
      ({ properties }) => properties.LogGroupName === `/aws/lambda/${PREFIX}${name}`,
    )
    expect(group?.properties.RetentionInDays).toBe(30)
  })

  test('has a role of its own', () => {
    const roles = NAMES.map((name) => roleOf(plain.template, lambda(name))?.id)
    expect(roles).not.toContain(undefined)
    expect(new Set(roles).size).toBe(NAMES.length)
  })

  test('that sends to the queue it consumes may do so in a chain', () => {
    const chained = NAMES.filter((name) => {
      const targets = queuesOf(plain.template, grants(name), 'sqs:SendMessage')
      return consumedBy(plain.template, lambda(name)).some((queue) => targets.includes(queue))
    })
    expect(chained).toEqual([FAN_OUT, RE_EVALUATE, 'replicate', 'scan'])
    const allowed = NAMES.filter((name) => lambda(name).properties.RecursiveLoop === 'Allow')
    expect(allowed).toEqual(chained)
  })
})

describe('the role of', () => {
  test.each(NAMES)('%s has no star where a name is possible', (name) => {
    expect(starProblems(grants(name))).toEqual([])
  })

  test.each(NAMES)('%s writes to its own log group only', (name) => {
    const logs = grants(name).filter(({ action }) => action.startsWith('logs:'))
    expect(logs.map(({ action }) => action)).toEqual(OF_LAMBDA.logs)
    for (const { resource } of logs)
      expect(at(resource, 'Fn::Sub')).toBe(
        `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/${PREFIX}${name}:*`,
      )
  })

  test.each(NAMES)('%s allows what its code calls, and nothing more', (name) => {
    const shipped = actionsInBundle(plain.inputs(name))
    const needed = [...actionsOfCode(name, code.get(name)!)].filter((action) => shipped.has(action))
    const consumes = consumedBy(plain.template, lambda(name)).length > 0
    const registry = shipped.has(OF_ECR.login)
      ? [OF_ECR.login, ...OF_ECR.pull, ...(name === 'replicate' ? OF_ECR.push : [])]
      : []
    const expected = [...needed, ...OF_LAMBDA.logs, ...(consumes ? OF_LAMBDA.polling : []), ...registry]
    const allowed = new Set(grants(name).map(({ action }) => action))
    expect([...allowed].sort()).toEqual([...new Set(expected)].sort())
  })

  test.each([
    ['api', [...LANES, FAN_OUT, RE_EVALUATE]],
    ['scan', ['scan', 'scan-bulk', RE_EVALUATE]],
    ['replicate', ['replicate', 'replicate-bulk']],
    [RE_EVALUATE, [RE_EVALUATE]],
    [FAN_OUT, [...TYPES.map(({ type }) => queueOf(type, 'bulk')), FAN_OUT]],
    ['dead-letter', [...LANES, RE_EVALUATE]],
    ['schedule', [FAN_OUT]],
    ['sweep', [...LANES, FAN_OUT]],
    ['advisories', []],
  ])('%s may send to exactly %j', (name, queues) => {
    expect(queuesOf(plain.template, grants(name), 'sqs:SendMessage')).toEqual([...queues].sort())
  })

  test.each(NAMES)('%s polls exactly the queues it consumes', (name) => {
    const consumed = consumedBy(plain.template, lambda(name))
    // The API moves dead letters back by hand.
    const polled =
      name === 'api' ? [...TYPES.map(({ type }) => type), FAN_OUT, RE_EVALUATE].map(deadLetterQueueOf).sort() : consumed
    for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage'])
      expect(queuesOf(plain.template, grants(name), action)).toEqual(polled)
  })
})

describe('the HTTP API', () => {
  const routes = (template: Template) =>
    Object.fromEntries(
      ofType(template, 'AWS::ApiGatewayV2::Route').map(({ properties }) => [
        String(properties.RouteKey),
        properties.AuthorizationType ?? 'NONE',
      ]),
    )

  test('asks for a signed request on every route but /healthz', () => {
    expect(routes(plain.template)).toEqual({ 'GET /healthz': 'NONE', 'ANY /{proxy+}': 'AWS_IAM' })
  })

  test('is open with --param auth=open, whatever the shell holds of AWS', async () => {
    expect(await routesWith(folder, ['--param', 'auth=open'])).toEqual([
      { httpApi: { method: 'GET', path: '/healthz' } },
      { httpApi: { method: '*', path: '/{proxy+}' } },
    ])
  })

  test('is not deployed at all with another word for it', async () => {
    await expect(routesWith(folder, ['--param', 'auth=opne'])).rejects.toMatchObject({
      stdout: expect.stringContaining('Cannot resolve variable at "functions.api.events"'),
    })
  })

  test('ends a request before the gateway does', () => {
    expect(lambda('api').properties.Timeout).toBeLessThan(30)
  })
})

describe('the ticks', () => {
  test('call re-evaluate, schedule and sweep each minute and advisories four times a day', () => {
    const rules = ofType(plain.template, 'AWS::Events::Rule').map(({ properties }) => [
      properties.ScheduleExpression,
      properties.State,
      list(properties.Targets).map((target) => referredTo(at(target, 'Arn'))),
    ])
    expect(rules).toEqual([
      ['rate(1 minute)', 'ENABLED', [lambda(RE_EVALUATE).id]],
      ['rate(1 minute)', 'ENABLED', [lambda('schedule').id]],
      ['rate(1 minute)', 'ENABLED', [lambda('sweep').id]],
      ['rate(6 hours)', 'ENABLED', [lambda('advisories').id]],
    ])
  })

  test('are missed when they are not called at all', () => {
    const silent = ofType(plain.template, 'AWS::CloudWatch::Alarm')
      .filter(
        ({ properties }) => properties.MetricName === 'Invocations' && properties.TreatMissingData === 'breaching',
      )
      .map(({ properties }) => at(list(properties.Dimensions)[0], 'Value'))
    expect(silent).toEqual(['longshore-dev-sweep', 'longshore-dev-schedule', 'longshore-dev-re-evaluate'])
  })

  test('may call what they call', () => {
    const callers = ofType(plain.template, 'AWS::Lambda::Permission')
      .filter(({ properties }) => properties.Principal === 'events.amazonaws.com')
      .map(({ properties }) => referredTo(properties.FunctionName))
    expect(callers.sort()).toEqual(['advisories', RE_EVALUATE, 'schedule', 'sweep'].map((name) => lambda(name).id))
  })
})

describe('the package', () => {
  test.each(NAMES)('of %s holds its bundle and the word that it is CommonJS', async (name) => {
    const files = Object.keys(await plain.zip(name)).sort()
    expect(files).toEqual([`dist/functions/${name}.js`, 'dist/functions/package.json'].sort())
  })

  test.each(NAMES)('of %s is within its budget', async (name) => {
    const bundle = (await plain.zip(name))[`dist/functions/${name}.js`]!
    const [bytes, zipped] = name === 'api' ? [1_000_000, 290_000] : [700_000, 214_000]
    expect(bundle.length).toBeLessThanOrEqual(bytes)
    expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(zipped)
  })

  test.each(NAMES.filter((name) => name !== 'api'))('of %s carries no HTTP stack', (name) => {
    const packages = packagesIn(name)
    expect(packages).toContain('@aws-sdk')
    for (const one of ['hono', '@hono', '@asteasolutions']) expect(packages).not.toContain(one)
  })

  test('of workers carries no cron', () => {
    for (const { type } of TYPES) expect(packagesIn(type)).not.toContain('croner')
    expect(packagesIn('schedule')).toContain('croner')
  })

  const packagesIn = (name: string): string[] =>
    Object.entries(plain.inputs(name))
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .flatMap(([path]) => /node_modules\/([^/]+)/.exec(path)?.[1] ?? [])

  test('of each function is loaded by Node and exports its handler; the API answers', async () => {
    const bundles = NAMES.map((name) => ({
      name,
      file: join(folder, 'unpacked', name, `dist/functions/${name}.js`),
      ...(name === 'api' && { event: HEALTH }),
    }))
    for (const name of NAMES)
      for (const [file, content] of Object.entries(await plain.zip(name))) {
        await mkdir(join(folder, 'unpacked', name, dirname(file)), { recursive: true })
        await writeFile(join(folder, 'unpacked', name, file), content)
      }
    const declared = at(lambda('api').properties.Environment, 'Variables') as { [variable: string]: unknown }
    const variables = Object.fromEntries(
      Object.entries(declared).map(([name, value]) => [name, typeof value === 'string' ? value : VALUES[name]!]),
    )
    expect(variables.LONGSHORE_REGISTRIES).toBe('')
    const credentials = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' }
    const loaded = await load(bundles, { ...variables, ...credentials })
    expect(Object.entries(loaded).map(([name, { handler }]) => `${name} ${handler}`)).toEqual(
      NAMES.map((name) => `${name} function`),
    )
    expect(loaded.api?.answer?.statusCode).toBe(200)
  })

  test('gives all functions one environment, as the process they share locally does', () => {
    const environments = NAMES.map((name) => JSON.stringify(lambda(name).properties.Environment))
    expect(new Set(environments).size).toBe(1)
  })
})

/** What CloudFormation would put in place of its functions. */
const VALUES: Record<string, string> = {
  LONGSHORE_TABLE: 'longshore-dev',
  LONGSHORE_QUEUE_PREFIX: 'https://sqs.us-east-1.amazonaws.com/000000000000/longshore-dev-',
  LONGSHORE_BLOBS: 's3://content',
}

const HEALTH = {
  version: '2.0',
  routeKey: 'GET /healthz',
  rawPath: '/healthz',
  rawQueryString: '',
  headers: { host: 'x' },
  isBase64Encoded: false,
  requestContext: {
    domainName: 'x',
    http: { method: 'GET', path: '/healthz', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
  },
}
