/** People: they submit (again, when no answer comes), stop, retry, start runs over many images, and make policies. */
import { LongshoreError } from '../../lib/errors.ts'
import { retryJob, stopJob } from '../../lib/job/control.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { newId } from '../../lib/job/id.ts'
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
    const job = 'n' in action ? nth(witness.accepted, action.n) : undefined
    const execution = 'n' in action ? nth([...witness.executions.keys()], action.n) : undefined
    const policy = 'n' in action ? nth([...witness.policies.keys()], action.n) : undefined
    if (action.do === 'submit') this.#submit(action.key, action.dueInMs)
    else if (action.do === 'restart') world.restart(action.queues)
    else if (action.do === 'bulk') this.#bulk()
    else if (action.do === 'policy')
      this.#ask(
        ({ env }) => createPolicy(TENANT, policyBody(action.everyMinutes, true), env),
        () => {},
      )
    else if (action.do === 'stop' && job)
      this.#ask(
        ({ env }) => stopJob(TENANT, job, env),
        () => witness.stopped(job),
      )
    else if (action.do === 'retry' && job)
      this.#ask(
        ({ env }) => retryJob(TENANT, job, env),
        ({ id }) => witness.retried(job, id),
      )
    else if (action.do === 'stopExecution' && execution)
      this.#ask(
        ({ env }) => stopExecution(TENANT, execution, env),
        () => witness.stoppedExecution(execution, world.now),
      )
    else if (action.do === 'runPolicy' && policy)
      this.#ask(
        ({ env }) => runPolicy(TENANT, policy, env),
        ({ id }) => witness.began(id),
      )
    else if (action.do === 'replacePolicy' && policy)
      this.#ask(
        ({ env }) => replacePolicy(TENANT, policy, policyBody(1, true), env),
        () => {},
      )
  }

  #bulk(): void {
    this.#ask(
      ({ env }) =>
        createExecution(
          { id: newId(env.clock, env.random), tenant: TENANT, type: 'probe', trigger: 'request', spec: SPEC },
          env,
        ),
      ({ execution }) => this.#witness.began(execution.id),
    )
  }

  /** When the history is over, so that it can come to rest. A policy may still be on its way. */
  disablePolicies(): void {
    for (const [id, { enabled }] of this.#witness.policies)
      if (enabled)
        this.#ask(
          ({ env }) => replacePolicy(TENANT, id, policyBody(1, false), env),
          () => {},
        )
    const late = this.#world.script.platform.frozen > 0 ? 10 : 1
    if (this.#disabled++ < late) this.#world.at(60_000, () => this.disablePolicies())
  }

  #ask<T>(request: (instance: Instance) => Promise<T>, answered: (answer: T) => void): void {
    const instance = this.#world.begin('api', TIMEOUT_MS)
    request(instance).then(
      (answer) => {
        instance.end()
        answered(answer)
      },
      () => instance.end(),
    )
  }

  #submit(key: string | undefined, dueInMs: number | undefined): void {
    const world = this.#world
    const witness = this.#witness
    const dueAt = dueInMs === undefined ? undefined : world.now + dueInMs
    let tries = 0
    const attempt = () => {
      const instance = world.begin('api', TIMEOUT_MS)
      const again = () => {
        if (key !== undefined && ++tries < 3) world.at(world.chance.integer(1, 60_000), attempt)
      }
      instance.onDeath = again
      submit(
        {
          tenant: TENANT,
          type: 'probe',
          params: { name: 'app' },
          ...(key ? { idempotencyKey: key } : {}),
          ...(dueAt === undefined ? {} : { dueAt }),
        },
        instance.env,
      ).then(
        ({ job, created }) => {
          instance.end()
          witness.submitted(job.id, key, created)
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
