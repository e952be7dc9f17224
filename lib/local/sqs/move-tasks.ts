/** Message move tasks: the redrive of dead letters back to where they came from, or to another queue. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { SqsError } from './errors.ts'
import type { MessageContent } from './message.ts'
import type { Queue } from './queue.ts'

/** Messages moved without a pause when no rate is asked for; between such pieces requests are served. */
const PIECE = 500
/** ListMessageMoveTasks shows at most this many of a source. */
const KEPT_PER_SOURCE = 10

export interface MoveTask {
  handle: string
  status: 'RUNNING' | 'COMPLETED' | 'CANCELLING' | 'CANCELLED' | 'FAILED'
  source: Queue
  target: Queue | undefined
  perSecond: number | undefined
  startedAt: number
  toMove: number
  moved: number
  failure?: string
}

export class MoveTasks {
  readonly #clock: Clock
  readonly #queueByArn: (arn: string) => Queue | undefined
  readonly #stop = new AbortController()
  #tasks: MoveTask[] = []

  constructor(clock: Clock, queueByArn: (arn: string) => Queue | undefined) {
    this.#clock = clock
    this.#queueByArn = queueByArn
  }

  /** Throws UnsupportedOperation while another task moves from the same source. */
  start(source: Queue, target: Queue | undefined, perSecond: number | undefined): MoveTask {
    if (this.of(source).some((task) => task.status === 'RUNNING'))
      throw new SqsError('UnsupportedOperation', 'There is already a task running. Only one active task is allowed.')
    const id = JSON.stringify({ taskId: randomUUID(), sourceArn: source.identity.arn })
    const task: MoveTask = {
      handle: Buffer.from(id).toString('base64'),
      status: 'RUNNING',
      source,
      target,
      perSecond,
      startedAt: this.#clock.now(),
      toMove: source.counts.visible,
      moved: 0,
    }
    const others = this.#tasks.filter((t) => t.source !== source)
    this.#tasks = [task, ...this.of(source).slice(0, KEPT_PER_SOURCE - 1), ...others]
    void this.#run(task)
    return task
  }

  /** Newest first. */
  of(source: Queue): MoveTask[] {
    return this.#tasks.filter((task) => task.source === source)
  }

  /** Throws ResourceNotFoundException when no such task is running. */
  cancel(handle: string): MoveTask {
    const task = this.#tasks.find((t) => t.handle === handle)
    if (task?.status !== 'RUNNING') throw new SqsError('ResourceNotFoundException', 'Task does not exist.')
    task.status = 'CANCELLED'
    return task
  }

  end(): void {
    this.#stop.abort()
  }

  async #run(task: MoveTask): Promise<void> {
    const { signal } = this.#stop
    try {
      // What arrives while the task runs stays: a poison message would otherwise go round for ever.
      while (task.status === 'RUNNING' && !signal.aborted && task.moved < task.toMove) {
        const piece = Math.min(task.perSecond ?? PIECE, task.toMove - task.moved)
        for (let moved = 0; moved < piece; moved++) {
          if (!task.source.moveNext((content) => this.#targetOf(task, content))) {
            task.toMove = task.moved
            break
          }
          task.moved++
        }
        if (task.moved >= task.toMove) break
        if (task.perSecond !== undefined) await this.#clock.sleep(1000, signal)
        else await new Promise((resolve) => setImmediate(resolve))
      }
      if (task.status === 'RUNNING' && task.moved >= task.toMove) task.status = 'COMPLETED'
    } catch (error) {
      task.status = 'FAILED'
      task.failure = error instanceof SqsError ? error.message : 'InternalFailure'
    }
  }

  #targetOf(task: MoveTask, content: MessageContent): Queue {
    const target = task.target ?? this.#queueByArn(content.deadLetterSource ?? '')
    if (!target) throw new SqsError('ResourceNotFoundException', 'CouldNotDetermineMessageSource')
    return target
  }
}
