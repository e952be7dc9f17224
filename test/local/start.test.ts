import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { image, layer } from '../../lib/local/demo/build.ts'
import { seedDemo } from '../../lib/local/demo/image.ts'
import { push } from '../../lib/local/demo/push.ts'
import { type LocalDynamo, startDynamo } from '../../lib/local/dynamo.ts'
import { type RunningRegistry, startRegistry } from '../../lib/local/registry/server.ts'
import { type SqsServer, startSqs } from '../../lib/local/sqs/server.ts'
import { childrenOf, freePorts, type Started, start } from './start-process.ts'

interface Job {
  id: string
  status: string
  attempt: number
  result: { summary?: Record<string, number>; layers?: { total: number; reused: number } } | null
}

/** Two seconds are promised; a machine that is busy with other tests gets more before a test fails. */
const END_MS_MAX = 6_000
const SHOP = 'demo/shop:1.0'

/** Requests for blobs wait while the gate is closed. */
function gate() {
  let open = () => {}
  let passed: Promise<void> | undefined
  let waiting = 0
  let heard = () => {}
  return {
    close: () => {
      waiting = 0
      passed = new Promise((resolve) => (open = resolve))
    },
    open: () => {
      open()
      passed = undefined
    },
    hold: (path: string) => {
      if (!passed || !path.includes('/blobs/')) return undefined
      waiting++
      heard()
      return { holdUntil: passed }
    },
    /** Resolves when so many requests wait. */
    reached: (count: number) =>
      new Promise<void>((resolve) => {
        heard = () => {
          if (waiting >= count) resolve()
        }
        heard()
      }),
  }
}

/** Passes every request on, and remembers who signed it. */
async function recording(target: string): Promise<{ url: string; signers: Set<string>; server: Server }> {
  const signers = new Set<string>()
  const server = createServer((incoming, outgoing) => {
    const { authorization = '', 'x-amz-security-token': token = '' } = incoming.headers
    signers.add(`${/Credential=([^/]+)/.exec(authorization)?.[1]} ${token}`.trim())
    const { method, url, headers } = incoming
    const passed = request(target + url, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    outgoing.on('close', () => passed.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, signers, server }
}

describe('npm start', () => {
  const running: Started[] = []
  const blobs = gate()
  let folder: string
  let slow: RunningRegistry
  let dynamo: LocalDynamo
  let sqs: SqsServer
  let proxies: Awaited<ReturnType<typeof recording>>[]
  let ports: number[]
  let main: Started
  let mainEnv: Record<string, string>
  /** Uses the servers of this process, without a demo, with a real user's AWS settings around. */
  let elsewhere: Started
  let underShell: Started
  let underNpm: Started
  let withoutAdvisories: Started

  /** Only the first builds; it has when it has printed. */
  const launch = (port: number, env: Record<string, string>, more: Partial<Parameters<typeof start>[0]> = {}) => {
    const started = start({ port, env: { ...(running.length > 0 ? { LONGSHORE_BUILT: '1' } : {}), ...env }, ...more })
    running.push(started)
    return started
  }
  const data = (name: string) => join(folder, name)
  const submit = async (service: Started, type: string, params: object): Promise<Job> => {
    const { status, body } = await service.call<Job>('POST', '/v1/jobs', { type, params })
    expect(status).toBe(202)
    return body
  }
  const finished = async (service: Started, id: string): Promise<Job> =>
    (await service.call<Job>('GET', `/v1/jobs/${id}?wait=20`)).body
  const copyTo = (name: string) => ({
    source: `${slow.host}/${SHOP}`,
    target: `127.0.0.1:${ports[2]}/copies/${name}:1.0`,
  })
  /** Milliseconds from the signal to the last process' end. */
  const endOf = async (service: Started, how: () => void): Promise<{ ms: number; code: number | string }> => {
    const from = performance.now()
    how()
    const code = await service.ended
    await service.silent
    await service.gone()
    const ms = performance.now() - from
    return { ms, code }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longshore-start-'))
    ports = await freePorts(10)
    slow = await startRegistry({ hooks: ({ method, path }) => (method === 'GET' ? blobs.hold(path) : undefined) })
    ;[dynamo, sqs] = await Promise.all([startDynamo(), startSqs(), seedDemo(slow.host)])
    proxies = await Promise.all([recording(dynamo.endpoint), recording(sqs.endpoint)])
    const awsConfig = data('aws-config')
    await writeFile(awsConfig, '[profile canary]\naws_access_key_id = AKIACANARY\naws_secret_access_key = canary\n')
    const registries = JSON.stringify([{ host: slow.host, insecure: true, allowPrivate: true }])
    mainEnv = {
      LONGSHORE_DATA: data('main'),
      LONGSHORE_DEMO_PORTS: `${ports[1]},${ports[2]}`,
      LONGSHORE_REGISTRIES: registries,
      LONGSHORE_TICK_SECONDS: '1',
      LONGSHORE_RETRY_BASE_SECONDS: '0',
    }
    main = launch(ports[0]!, mainEnv)
    await main.printed(/Try next/)
    elsewhere = launch(ports[3]!, {
      LONGSHORE_DATA: data('elsewhere'),
      LONGSHORE_DEMO: 'off',
      LONGSHORE_REGISTRIES: registries,
      AWS_ENDPOINT_URL_DYNAMODB: proxies[0]!.url,
      AWS_ENDPOINT_URL_SQS: proxies[1]!.url,
      AWS_ACCESS_KEY_ID: 'AKIACANARY',
      AWS_SECRET_ACCESS_KEY: 'canary',
      AWS_SESSION_TOKEN: 'canary',
      AWS_PROFILE: 'canary',
      AWS_CONFIG_FILE: awsConfig,
      AWS_SHARED_CREDENTIALS_FILE: awsConfig,
      AWS_REGION: 'eu-west-1',
    })
    const quiet = (name: string) => ({ LONGSHORE_DATA: data(name), LONGSHORE_DEMO: 'off' })
    // The command after node keeps the shell from becoming node.
    const throughShell: [string, ...string[]] = ['sh', '-c', `${JSON.stringify(process.execPath)} start.mjs; exit 0`]
    underShell = launch(ports[4]!, quiet('shell'), { command: throughShell, closeStdout: true })
    underNpm = launch(ports[5]!, quiet('npm'), { command: ['npm', 'start'] })
    withoutAdvisories = launch(ports[6]!, {
      LONGSHORE_DATA: data('none'),
      LONGSHORE_DEMO_PORTS: `${ports[7]},${ports[8]}`,
      LONGSHORE_ADVISORIES: data('no-such-folder'),
    })
  }, 60_000)

  afterAll(async () => {
    for (const started of running) started.sweep()
    await Promise.all(running.map(({ silent }) => silent))
    for (const { server } of proxies ?? []) {
      server.close()
      server.closeAllConnections()
    }
    await Promise.all([slow?.close(), dynamo?.close(), sqs?.close()])
    await rm(folder, { recursive: true, force: true })
  })

  test('does the main job in front of the reader and says what to try next', async () => {
    const shown = main.out()
    expect(main.err()).toBe('')
    expect(shown).toContain(`Longshore answers at ${main.api}`)
    expect(shown).toMatch(/\d+ findings in 114 packages, \d+ fixable/)
    expect(shown).toMatch(/Critical 9\.8 +CVE-2021-44906 +minimist/)
    expect(shown).toMatch(/known to be exploited/)
    expect(shown).toMatch(/\.\.\. and \d+ more: curl/)
    expect(shown).toMatch(/blobs: 6 copied, 0 mounted/)
    expect(shown).toMatch(/curl -s -X POST http:\/\/127.0.0.1:\d+\/v1\/policies/)
    expect(shown).not.toContain('┌')
    expect(shown.split('\n').length).toBeLessThan(55)
    const lines = shown.split('\n').filter((line) => !line.includes('curl') && !line.includes('-d '))
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120)
  })

  test('is one process: the builder has gone', () => {
    expect(childrenOf(main.pid)).toEqual([])
  })

  test('runs beside another that uses other servers, and signs with local keys only', async () => {
    await elsewhere.ready()
    const job = await finished(elsewhere, (await submit(elsewhere, 'scan', { image: `${slow.host}/${SHOP}` })).id)
    expect(job).toMatchObject({ status: 'success', result: { summary: { Critical: 4 } } })
    for (const { signers } of proxies) expect([...signers]).toEqual(['local'])
    expect(await readdir(data('elsewhere'))).not.toContain('dynamodb')
    expect(elsewhere.out()).toMatch(/Scan a public image[\s\S]*Add a registry of your own/)
    const other = await main.call('GET', `/v1/jobs/${job.id}`)
    expect(other.status).toBe(404)
  })

  test('runs a policy through fan-out and the bulk queue', async () => {
    const host = `127.0.0.1:${ports[1]}`
    const tools = image({
      layers: [layer([{ path: 'app/node_modules/ms/package.json', content: '{"name":"ms","version":"0.7.0"}' }])],
      platform: { os: 'linux', architecture: 'amd64' },
    })
    await push(`http://${host}`, 'demo/tools', '2.1', tools)
    const spec = { name: 'all of demo', type: 'scan', images: [`${host}/demo/*:*`] }
    const policy = await main.call<{ id: string }>('POST', '/v1/policies', spec)
    expect(policy.status).toBe(201)
    const run = await main.call<{ id: string }>('POST', `/v1/policies/${policy.body.id}/run`)
    expect(run.status).toBe(202)
    let execution: { status: string; counts: Record<string, number> } | undefined
    do {
      await new Promise((resolve) => setTimeout(resolve, 50))
      execution = (await main.call<NonNullable<typeof execution>>('GET', `/v1/executions/${run.body.id}`)).body
    } while (execution.status === 'running')
    expect(execution).toMatchObject({ status: 'success', counts: { success: 2 } })
    const children = await main.call<{ jobs: Job[] }>('GET', `/v1/jobs?execution=${run.body.id}`)
    expect(children.body.jobs.map(({ status }) => status)).toEqual(['success', 'success'])
  }, 30_000)

  test('that cannot start says so in one sentence, ends with 1 and leaves nothing', async () => {
    const [api, demo] = await Promise.all([freePorts(2), freePorts(2)])
    const refused = async (env: Record<string, string>, sentence: RegExp) => {
      const failing = launch(api[0]!, {
        LONGSHORE_DATA: data(`refused-${running.length}`),
        LONGSHORE_DEMO_PORTS: `${demo}`,
        ...env,
      })
      expect(await failing.ended).toBe(1)
      await failing.silent
      expect(failing.err()).toMatch(sentence)
      expect(failing.err().trimEnd()).not.toContain('\n')
      expect(failing.out()).toBe('')
      await failing.gone()
    }
    await Promise.all([
      refused({ LONGSHORE_PORT: `${ports[0]}` }, /^longshore: port \d+ on 127\.0\.0\.1 is in use; .*LONGSHORE_PORT=/),
      refused(
        { LONGSHORE_DEMO_PORTS: `${demo[0]},${ports[2]}` },
        /^longshore: port \d+ .* in use; .*LONGSHORE_DEMO_PORTS=/,
      ),
    ])
    await Promise.all([
      refused({ LONGSHORE_DATA: data('main') }, /^longshore: the data folder .*main is in use by another Longshore; /),
      refused({ LONGSHORE_REGISTRIES: '{oops' }, /^longshore: LONGSHORE_REGISTRIES is not JSON; /),
    ])
  }, 60_000)

  test('after a crash knows its jobs and ends those that were running or waiting', async () => {
    blobs.close()
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push((await submit(main, 'replicate', copyTo(`n${n}`))).id)
    // Four workers, six blobs each at a time: the fifth job waits in its queue.
    await blobs.reached(24)
    const before = await main.call<{ jobs: Job[] }>('GET', '/v1/jobs?type=replicate&limit=5')
    expect(before.body.jobs.map(({ status }) => status).sort()).toEqual(['pending', ...Array(4).fill('running')])

    await endOf(main, () => main.kill('SIGKILL'))
    blobs.open()
    main = launch(ports[0]!, mainEnv)
    await main.ready()
    const known = await main.call<{ jobs: Job[] }>('GET', '/v1/jobs?limit=50')
    expect(known.body.jobs.map(({ id }) => id)).toEqual(expect.arrayContaining(ids))
    const done = await Promise.all(ids.map((id) => finished(main, id)))
    expect(done.map(({ status }) => status)).toEqual(Array(5).fill('success'))

    const shown = await main.printed(/Try next/)
    expect(shown).toMatch(/all known already: nothing was pulled/)
    expect(shown).toMatch(/the target has this digest already: nothing to copy/)
  }, 60_000)

  test('ends by SIGINT in the middle of a job and of a request', async () => {
    blobs.close()
    const { id } = await submit(main, 'replicate', copyTo('interrupted'))
    await blobs.reached(1)
    const open = fetch(`${main.api}/v1/jobs/${id}?wait=20`).catch(() => undefined)
    const { ms, code } = await endOf(main, () => main.kill('SIGINT'))
    blobs.open()
    await open
    expect(code).toBe(0)
    expect(ms).toBeLessThan(END_MS_MAX)
    expect(main.err()).toBe('')
  })

  test('ends by SIGTERM', async () => {
    const { ms, code } = await endOf(elsewhere, () => elsewhere.kill('SIGTERM'))
    expect(code).toBe(0)
    expect(ms).toBeLessThan(END_MS_MAX)
  })

  test('starts without its advisories: one warning, and scans wait until SIGHUP ends it', async () => {
    await withoutAdvisories.ready()
    const { id } = await submit(withoutAdvisories, 'scan', { image: `127.0.0.1:${ports[7]}/${SHOP}` })
    let job: Job
    do {
      await new Promise((resolve) => setTimeout(resolve, 50))
      job = (await withoutAdvisories.call<Job>('GET', `/v1/jobs/${id}`)).body
    } while (job.status !== 'retrying')
    expect(job).toMatchObject({ result: null })
    const { ms, code } = await endOf(withoutAdvisories, () => withoutAdvisories.kill('SIGHUP'))
    expect(code).toBe(0)
    expect(ms).toBeLessThan(END_MS_MAX)
    expect(withoutAdvisories.err()).toMatch(/^longshore: the advisories were not built: .*no-such-folder.*\n$/)
  })

  test('with its stdout closed works on, and ends when its parent is killed', async () => {
    await underShell.ready()
    expect(underShell.err()).toBe('')
    const { ms } = await endOf(underShell, () => underShell.kill('SIGKILL'))
    expect(ms).toBeLessThan(END_MS_MAX)
  })

  test('ends when npm is killed, although the shell of npm lives on', async () => {
    await underNpm.ready()
    const { ms } = await endOf(underNpm, () => underNpm.kill('SIGKILL'))
    expect(ms).toBeLessThan(END_MS_MAX)
  })
})
