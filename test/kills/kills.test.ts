/**
 * The real local service, its workers in processes of their own, SIGKILLed again and again while it works, by the clock
 * and by the bytes that have reached the target. Asked for by LONGSHORE_KILLS=1; LONGSHORE_KILLS_SEED=n replays the same
 * load and the same kills (what the machine does between them is its own affair).
 * AWS_ENDPOINT_URL_DYNAMODB and AWS_ENDPOINT_URL_SQS, when given, take the place of the servers in the second test.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { startDynamo } from '../../lib/local/dynamo.ts'
import { startRegistry } from '../../lib/local/registry/server.ts'
import { startSqs } from '../../lib/local/sqs/server.ts'
import { seededRandom } from '../job/world.ts'
import { childrenOf, freePorts, type Started, start } from '../local/start-process.ts'
import { eventsOf, wholeTags } from './judge.ts'
import { fill, type PlannedJob, plan, spoiling } from './load.ts'
import { slowProxy } from './slow-proxy.ts'

const seed = Number(process.env.LONGSHORE_KILLS_SEED ?? Math.floor(Math.random() * 1e6))
const TERMINAL = ['success', 'error', 'stopped', 'canceled']
/** Fast enough for hundreds of copies, slow enough that a kill by bytes lands inside a blob. */
const UPLOAD_BYTES_PER_SECOND = 24 * 1_048_576

interface Job {
  id: string
  type: string
  status: string
  createdAt: string
  image: { digest: string }
  attempt: number
  error: { code: string; message: string } | null
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe.runIf(process.env.LONGSHORE_KILLS)('SIGKILL', () => {
  const closes: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closes.splice(0).reverse()) await close()
  })

  test('of workers and of the service with its stores loses, doubles and breaks nothing', { timeout: 400_000 }, () =>
    chaos({ jobs: Number(process.env.LONGSHORE_KILLS_JOBS ?? 500), serviceKills: 4, workerKills: 10, env: {} }),
  )

  test('of workers and of the service beside a store and a queue that live on does not either', {
    timeout: 400_000,
  }, async () => {
    const [dynamo, sqs] = await Promise.all([startDynamo(), startSqs()])
    closes.push(
      () => dynamo.close(),
      () => sqs.close(),
    )
    const { AWS_ENDPOINT_URL_DYNAMODB = dynamo.endpoint, AWS_ENDPOINT_URL_SQS = sqs.endpoint } = process.env
    await chaos({
      jobs: 100,
      serviceKills: 2,
      workerKills: 5,
      env: { AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS },
    })
  })

  async function chaos(options: {
    jobs: number
    serviceKills: number
    workerKills: number
    env: Record<string, string>
  }): Promise<void> {
    const began = performance.now()
    const random = seededRandom(seed)
    const folder = await mkdtemp(join(tmpdir(), 'longshore-kills-'))
    closes.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const [source, target] = await Promise.all([
      startRegistry({ hooks: spoiling }),
      startRegistry({ dataDir: join(folder, 'target') }),
    ])
    closes.push(
      () => source.close(),
      () => target.close(),
    )
    const proxy = await slowProxy(target.host, UPLOAD_BYTES_PER_SECOND)
    closes.push(() => proxy.close())
    await fill(source.url, random)
    const planned = plan(options.jobs, source.host, proxy.host, random)

    const [port] = (await freePorts(1)) as [number]
    const launch = () =>
      start({
        port,
        env: {
          LONGSHORE_DATA: join(folder, 'data'),
          LONGSHORE_DEMO: 'off',
          LONGSHORE_REGISTRIES: JSON.stringify(
            [source.host, proxy.host].map((host) => ({ host, insecure: true, allowPrivate: true })),
          ),
          // Everything that takes minutes in the cloud takes seconds here.
          LONGSHORE_WORKER_PROCESSES: '3',
          LONGSHORE_FUNCTION_TIMEOUT_SECONDS: '5',
          LONGSHORE_LEASE_MARGIN_SECONDS: '1',
          LONGSHORE_TICK_SECONDS: '1',
          LONGSHORE_RETRY_BASE_SECONDS: '1',
          LONGSHORE_RETRY_MAX_SECONDS: '2',
          LONGSHORE_EVENT_SETTLE_SECONDS: '1',
          LONGSHORE_EMPTY_QUEUE_SECONDS: '1',
          // One machine has one clock.
          LONGSHORE_CLOCK_SKEW_MS_MAX: '1000',
          // A machine that does other things may need several functions of 5 s for a blob.
          LONGSHORE_STALLS_MAX: '20',
          LONGSHORE_TAG_VERIFY_MARGIN_SECONDS: '1',
          LONGSHORE_LOG_LEVEL: 'CRITICAL',
          ...(built ? { LONGSHORE_BUILT: '1' } : {}),
          ...options.env,
        },
      })
    let service: Started = launch()
    closes.push(async () => {
      service.sweep()
      await service.gone()
    })
    await service.ready()
    built = true

    const accepted = new Map<string, { plan: PlannedJob; at: number }>()
    const stopsAcknowledged = new Set<string>()
    const histories = new Map<string, string[]>()
    const violations: string[] = []
    const stops: Promise<void>[] = []
    const over = new AbortController()

    /** Until the service answers with something that it means. */
    const insist = async <T>(method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
      for (;;) {
        const answer = await fetch(service.api + path, {
          method,
          headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
          ...(body ? { body: JSON.stringify(body) } : {}),
          signal: AbortSignal.timeout(15_000),
        })
          .then(async (response) => ({ status: response.status, body: (await response.json()) as T }))
          .catch(() => undefined)
        if (answer && answer.status < 500) return answer
        await sleep(100)
      }
    }

    const submitAll = async () => {
      const waiting = [...planned]
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          for (let job = waiting.shift(); job; job = waiting.shift()) {
            const { type, params, key, stopAfterMs } = job
            // A request whose answer was lost is sent again with its key, and must find its job.
            const { status, body } = await insist<Job>('POST', '/v1/jobs', { type, params }, { 'idempotency-key': key })
            if (status !== 202 && status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`)
            accepted.set(body.id, { plan: job, at: Date.now() })
            if (stopAfterMs !== undefined)
              stops.push(
                sleep(stopAfterMs).then(async () => {
                  const stop = await insist<Job>('POST', `/v1/jobs/${body.id}/stop`)
                  if (stop.status === 200 || stop.status === 202) stopsAcknowledged.add(body.id)
                }),
              )
          }
        }),
      )
    }

    /** One after the other: of two at once the one that began first may show what the other has seen change. */
    let looking: Promise<unknown> = Promise.resolve()
    const look = (): Promise<Map<string, Job>> => {
      const looked = looking.then(lookOnce)
      looking = looked.catch(() => undefined)
      return looked
    }

    /** Every job as the list shows it; what has ended must stay as it is. */
    const lookOnce = async (): Promise<Map<string, Job>> => {
      const all = new Map<string, Job>()
      let path = '/v1/jobs?limit=100'
      for (;;) {
        const page = await insist<{ jobs: Job[]; cursor?: string; next?: string }>('GET', path)
        for (const job of page.body.jobs) all.set(job.id, job)
        const cursor = page.body.cursor ?? page.body.next
        if (!cursor) break
        path = `/v1/jobs?limit=100&cursor=${encodeURIComponent(cursor)}`
      }
      for (const [id, { status }] of all) {
        const history = histories.get(id) ?? []
        const last = history.at(-1)
        if (last === status) continue
        if (last && TERMINAL.includes(last)) violations.push(`${id} was ${last} and is ${status}`)
        histories.set(id, [...history, status])
      }
      return all
    }

    const kills = async () => {
      const left = [
        ...Array<'service'>(options.serviceKills).fill('service'),
        ...Array<'worker'>(options.workerKills).fill('worker'),
      ]
      while (left.length > 0) {
        const [victim] = left.splice(Math.floor(random.next() * left.length), 1)
        const choice = random.next()
        if (choice < 0.5) await sleep(200 + random.next() * 1_500)
        else {
          // At a byte, or after a while when nothing moves any more.
          const soon = AbortSignal.any([over.signal, AbortSignal.timeout(2_500)])
          await proxy.reached(proxy.sent() + Math.floor(random.next() * 6 * 1_048_576), soon)
        }
        if (victim === 'worker') {
          let workers = childrenOf(service.pid)
          // Right after a start they are not there yet.
          for (; workers.length === 0 && !over.signal.aborted; workers = childrenOf(service.pid)) await sleep(50)
          const pid = workers[Math.floor(random.next() * workers.length)]!
          try {
            process.kill(pid, 'SIGKILL')
          } catch {
            // It had ended by itself meanwhile.
          }
        } else {
          service.kill('SIGKILL')
          await service.ended
          await service.gone()
          service = launch()
          await service.ready()
        }
      }
    }

    process.stdout.write(`LONGSHORE_KILLS=1 LONGSHORE_KILLS_SEED=${seed} npx vitest run test/kills\n`)
    // No tag may name half an image at any time, not only when all is over: this registry is never killed.
    const checked = new Set<string>()
    let tagsSeen = 0
    let looks = 0
    const watching = (async () => {
      while (!over.signal.aborted) {
        await look()
        await wholeTags(target.url, checked).then(
          (tags) => {
            looks++
            tagsSeen += tags.size
          },
          (thrown: unknown) => violations.push(`while it ran: ${String(thrown)}`),
        )
        await sleep(1_000)
      }
    })()
    try {
      await Promise.all([submitAll(), kills()])
      await Promise.all(stops)
      const killedAt = performance.now()
      let jobs = await look()
      // Follow-ups as well: they look at a tag once more when nothing of a killed worker can land there any longer.
      const isOpen = () =>
        [...new Set([...accepted.keys(), ...jobs.keys()])].filter(
          (id) => !TERMINAL.includes(jobs.get(id)?.status ?? ''),
        )
      const deadline = Date.now() + 180_000
      while (isOpen().length > 0 && Date.now() < deadline) {
        await sleep(250)
        jobs = await look()
      }
      expect(
        isOpen().map((id) => jobs.get(id) ?? `${id} is lost`),
        'jobs without an end',
      ).toEqual([])
      const settled = performance.now()

      // One key, one job: nothing is there that was not accepted, but for what jobs left to be done later.
      expect(accepted.size).toBe(options.jobs)
      for (const id of stopsAcknowledged) expect([id, jobs.get(id)?.status]).toEqual([id, 'stopped'])
      for (const [id, { plan }] of accepted)
        if (plan.bad)
          expect(['error', 'stopped', 'canceled'], JSON.stringify(jobs.get(id))).toContain(jobs.get(id)?.status)
        else if (jobs.get(id)?.status === 'error') violations.push(JSON.stringify(jobs.get(id)))

      await everyEventOf(jobs, join(folder, 'data/events.jsonl'))
      const tags = await wholeTags(target.url)
      newestWins(jobs, accepted, tags, proxy.host)
      expect(violations).toEqual([])
      const counted: Record<string, number> = {}
      for (const { status } of jobs.values()) counted[status] = (counted[status] ?? 0) + 1
      const retried = [...jobs.values()].filter(({ attempt }) => attempt > 1).length
      process.stdout.write(
        `${JSON.stringify(counted)}, ${retried} with more than one attempt, ${tags.size} tags whole, ${Math.round(proxy.sent() / 1_048_576)} MB to the target; ${tagsSeen} tags found whole in ${looks} looks while it ran; kills done after ${Math.round((killedAt - began) / 1000)} s, all ended after ${Math.round((settled - began) / 1000)} s\n`,
      )
    } finally {
      over.abort()
      await watching
    }
  }

  /** Handed over at least once, always as what the job ended as. */
  async function everyEventOf(jobs: Map<string, Job>, path: string): Promise<void> {
    const missing = () => {
      const events = eventsOf(path)
      return [...jobs.values()].filter(({ id, status }) => TERMINAL.includes(status) && !events.has(id))
    }
    const deadline = Date.now() + 20_000
    while (missing().length > 0 && Date.now() < deadline) await sleep(200)
    expect(missing(), 'events that were never handed over').toEqual([])
    const events = eventsOf(path)
    for (const { id, status } of jobs.values())
      if (TERMINAL.includes(status)) expect([id, [...(events.get(id) ?? [])]]).toEqual([id, [`job.${status}`]])
  }

  /**
   * A tag that successful jobs were to set names the image of the newest of them, or of a job accepted after it that
   * was stopped (or failed) with its tag set already: what has been done stays done.
   */
  function newestWins(
    jobs: Map<string, Job>,
    accepted: Map<string, { plan: PlannedJob }>,
    tags: Map<string, string>,
    host: string,
  ): void {
    const setters = new Map<string, Job[]>()
    for (const [id, { plan }] of accepted) {
      const job = jobs.get(id)
      if (!job || plan.bad || job.status === 'canceled' || !('target' in plan.params)) continue
      const tag = plan.params.target.slice(host.length + 1)
      setters.set(tag, [...(setters.get(tag) ?? []), job])
    }
    const acceptance = (job: Job) => [job.createdAt, job.id].join()
    for (const [tag, of] of setters) {
      const inOrder = of.sort((a, b) => (acceptance(a) < acceptance(b) ? -1 : 1))
      const newest = inOrder.findLastIndex(({ status }) => status === 'success')
      if (newest < 0) continue
      const allowed = inOrder.slice(newest).map(({ image }) => image.digest)
      expect(allowed, `${tag}: ${JSON.stringify(inOrder)}`).toContain(tags.get(tag))
    }
  }
})

/** The first start builds; the others find it done. */
let built = process.env.LONGSHORE_BUILT === '1'
