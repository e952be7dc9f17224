/**
 * People of two tenants: they submit (again, when no answer comes), stop, retry, start runs over many images, make
 * policies, move dead letters back, and now and then reach for what is another's.
 */
import { LongshoreError } from '../../lib/errors.ts'
import { retryJob, stopJob } from '../../lib/job/control.ts'
import { createExecution, FAN_OUT, stopExecution } from '../../lib/job/execution.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { newId } from '../../lib/job/id.ts'
import { deadLetterQueueOf } from '../../lib/job/message.ts'
import { redrive } from '../../lib/job/redrive.ts'
import { submit } from '../../lib/job/submit.ts'
import { runPolicy } from '../../lib/schedule/due.ts'
import { createPolicy, replacePolicy } from '../../lib/schedule/policy.ts'
import { TENANT } from '../job/world.ts'
import type { Action } from './script.ts'
import type { Witness } from './witness.ts'
import type { Instance, World } from './world.ts'

/** Of the HTTP function. */
const TIMEOUT_MS = 29_000
const SPEC = { images: ['fleet'] }
const OTHER = 'other'
/** Waits at most this long for letters that are moved by hand. */
const REDRIVE_TIMEOUT_MS = 60_000

const policyBody = (everyMinutes: number, enabled: boolean) => ({
  type: 'probe',
  name: 'simulated',
  cron: `*/${everyMinutes} * * * *`,
  enabled,
  ...SPEC,
})

export class People {
  readonly #world: World
  readonly #witness: Witness
  readonly #waiting: Action[]
  #disabled = 0

  constructor(world: World, witness: Witness) {
    this.#world = world
    this.#witness = witness
    this.#waiting = [...world.script.people]
    for (const { at } of world.script.people) world.at(at, () => this.#next())
    // Races need two at once: sometimes the next one acts just while something is slow.
    world.onFault = (ms) => {
      if (world.chance.chance(0.6)) world.at(Math.floor(ms / 2), () => this.#next())
    }
  }

  #next(): void {
    const action = this.#waiting.shift()
    if (action) this.act(action)
  }

  act(action: Action): void {
    const world = this.#world
    const witness = this.#witness
    const by = ('by' in action && action.by) || TENANT
    // Where nobody has submitted a job, the children of executions are stopped and retried.
    const jobs = witness.accepted.length > 0 ? witness.accepted : [...witness.jobs.keys()]
    const job = 'n' in action ? nth(jobs, action.n) : undefined
    const execution = 'n' in action ? nth([...witness.executions.keys()], action.n) : undefined
    const policy = 'n' in action ? nth([...witness.policies.keys()], action.n) : undefined
    const owner = (job !== undefined && witness.tenants.get(job)) || TENANT
    const ownerOfAll = (execution !== undefined && witness.executions.get(execution)?.tenant) || TENANT
    if (action.do === 'submit') this.#submit(by, action.key, action.dueInMs)
    else if (action.do === 'restart') world.restart(action.queues)
    else if (action.do === 'bulk') this.#bulk(by)
    else if (action.do === 'redrive') this.#redrive()
    else if (action.do === 'trespass') this.#trespass(job, execution)
    else if (action.do === 'policy')
      this.#ask(
        TENANT,
        ({ env }) => createPolicy(TENANT, policyBody(action.everyMinutes, true), env),
        () => {},
      )
    else if (action.do === 'stop' && job)
      this.#ask(
        owner,
        ({ env }) => stopJob(owner, job, env),
        () => witness.stopped(job),
      )
    else if (action.do === 'retry' && job)
      this.#ask(
        owner,
        ({ env }) => retryJob(owner, job, env),
        ({ id }) => witness.retried(job, id),
      )
    else if (action.do === 'stopExecution' && execution)
      this.#ask(
        ownerOfAll,
        ({ env }) => stopExecution(ownerOfAll, execution, env),
        ({ execution: seen }) => witness.stoppedExecution(execution, world.now, seen.generation ?? 0),
      )
    else if (action.do === 'retryExecution' && execution)
      this.#ask(
        ownerOfAll,
        ({ env }) => retryExecution(ownerOfAll, execution, action.mode, env),
        ({ generation = 0 }) => witness.retriedExecution(execution, action.mode, generation),
      )
    else if (action.do === 'runPolicy' && policy)
      this.#ask(
        TENANT,
        ({ env }) => runPolicy(TENANT, policy, env),
        ({ id }) => witness.began(id),
      )
    else if (action.do === 'replacePolicy' && policy)
      this.#ask(
        TENANT,
        ({ env }) => replacePolicy(TENANT, policy, policyBody(1, true), env),
        () => {},
      )
  }

  #bulk(tenant: string): void {
    this.#ask(
      tenant,
      ({ env }) =>
        createExecution(
          { id: newId(env.clock, env.random), tenant, type: 'probe', trigger: 'request', spec: SPEC },
          env,
        ),
      ({ execution }) => this.#witness.began(execution.id),
    )
  }

  /** An operator: letters of all tenants are moved, to where they came from. */
  #redrive(): void {
    const instance = this.#world.begin('redrive', REDRIVE_TIMEOUT_MS)
    const { limits, queue } = instance.env
    const env = { limits, queue: { ...queue, ...this.#world.consumer(instance) } }
    const all = async () => {
      for (const name of ['probe', FAN_OUT]) await redrive(deadLetterQueueOf(name), env)
    }
    all().then(
      () => instance.end(),
      () => instance.end(),
    )
  }

  /** Somebody reaches for what is of another tenant. */
  #trespass(job: string | undefined, execution: string | undefined): void {
    const stranger = (owner: string | undefined) => (owner === OTHER ? TENANT : OTHER)
    const reach = (owner: string | undefined, request: (tenant: string, instance: Instance) => Promise<unknown>) =>
      this.#ask(
        stranger(owner),
        (instance) => request(stranger(owner), instance),
        () => this.#witness.fail('I15 a request for what another tenant owns was answered'),
      )
    if (job !== undefined) {
      const owner = this.#witness.tenants.get(job)
      reach(owner, (tenant, { env }) => stopJob(tenant, job, env))
      reach(owner, (tenant, { env }) => retryJob(tenant, job, env))
    }
    if (execution !== undefined) {
      const owner = this.#witness.executions.get(execution)?.tenant
      reach(owner, (tenant, { env }) => stopExecution(tenant, execution, env))
      reach(owner, (tenant, { env }) => retryExecution(tenant, execution, 'unsuccessful', env))
    }
  }

  /** When the history is over, so that it can come to rest. A policy may still be on its way. */
  disablePolicies(): void {
    for (const [id, { enabled }] of this.#witness.policies)
      if (enabled)
        this.#ask(
          TENANT,
          ({ env }) => replacePolicy(TENANT, id, policyBody(1, false), env),
          () => {},
        )
    const late = this.#world.script.platform.frozen > 0 ? 10 : 1
    if (this.#disabled++ < late) this.#world.at(60_000, () => this.disablePolicies())
  }

  #ask<T>(tenant: string, request: (instance: Instance) => Promise<T>, answered: (answer: T) => void): void {
    const instance = this.#world.begin('api', TIMEOUT_MS)
    instance.principal = tenant
    request(instance).then(
      (answer) => {
        instance.end()
        answered(answer)
      },
      () => instance.end(),
    )
  }

  #submit(tenant: string, key: string | undefined, dueInMs: number | undefined): void {
    const world = this.#world
    const witness = this.#witness
    const dueAt = dueInMs === undefined ? undefined : world.now + dueInMs
    let tries = 0
    const attempt = () => {
      const instance = world.begin('api', TIMEOUT_MS)
      instance.principal = tenant
      const again = () => {
        if (key !== undefined && ++tries < 3) world.at(world.chance.integer(1, 60_000), attempt)
      }
      instance.onDeath = again
      submit(
        {
          tenant,
          type: 'probe',
          params: { name: 'app' },
          ...(key ? { idempotencyKey: key } : {}),
          ...(dueAt === undefined ? {} : { dueAt }),
        },
        instance.env,
      ).then(
        ({ job, created }) => {
          instance.end()
          witness.submitted(job.id, key === undefined ? undefined : `${tenant}/${key}`, created)
        },
        (thrown: unknown) => {
          instance.end()
          if (thrown instanceof LongshoreError && thrown.retryable) again()
          else witness.fail(`a valid submission was refused for good: ${String(thrown)}`)
        },
      )
    }
    attempt()
  }
}

const nth = <T>(list: readonly T[], n: number): T | undefined => (list.length === 0 ? undefined : list[n % list.length])
