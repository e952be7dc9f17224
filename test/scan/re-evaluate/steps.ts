/**
 * Tasks that take turns at every call of a port, in an order that a seed decides, and that may die at any of them: the
 * call was made or not, and nothing after it happens.
 */

export interface Task {
  name: string
  /** True when it came to its end, false when it died. */
  ended: Promise<boolean>
}

interface Turn {
  task: Living
  go: () => void
}

interface Living {
  name: string
  isDead: boolean
  die: () => void
  /** How often it gets a turn: some are so slow that whole other tasks run between two of their calls. */
  weight: number
  begunAt: number
}

const WEIGHTS = [
  [1, 1, 1, 1],
  [1, 1, 0.2, 0.01],
]

export function steps(next: () => number, deathRate: number, now: () => number) {
  let turns: Turn[] = []
  const weights = WEIGHTS[Math.floor(next() * WEIGHTS.length)] ?? [1]
  const living = new Set<Living>()

  const turn = (task: Living): Promise<void> =>
    new Promise((resolve) => {
      // Of a dead task nothing goes on.
      if (!task.isDead) turns.push({ task, go: resolve })
    })

  const kill = (task: Living): void => {
    task.isDead = true
    turns = turns.filter((other) => other.task !== task)
    living.delete(task)
    task.die()
  }

  return {
    /** Begins a task; `run` gets a function that makes any port take turns. */
    begin(name: string, run: (stepped: <Port extends object>(port: Port) => Port) => Promise<unknown>): Task {
      let die = () => {}
      const died = new Promise<boolean>((resolve) => {
        die = () => resolve(false)
      })
      const weight = weights[Math.floor(next() * weights.length)] ?? 1
      const task: Living = { name, isDead: false, die, weight, begunAt: now() }
      living.add(task)
      const stepped = <Port extends object>(port: Port): Port =>
        new Proxy(port, {
          get(target, method) {
            const value = Reflect.get(target, method) as unknown
            if (typeof value !== 'function') return value
            return async (...args: unknown[]) => {
              await turn(task)
              const answer = await (value as (...all: unknown[]) => Promise<unknown>).apply(target, args)
              await turn(task)
              return answer
            }
          },
        })
      const done = run(stepped)
        .then(() => true)
        .finally(() => living.delete(task))
      return { name, ended: Promise.race([done, died]) }
    },
    /** One turn of one task. False when no task waits for one. */
    async step(): Promise<boolean> {
      await new Promise(setImmediate)
      if (turns.length === 0) return false
      let left = next() * turns.reduce((sum, { task }) => sum + task.weight, 0)
      const at = turns.findIndex(({ task }) => {
        left -= task.weight
        return left < 0
      })
      const [chosen] = turns.splice(Math.max(0, at), 1)
      if (!chosen) return false
      if (next() < deathRate) kill(chosen.task)
      else chosen.go()
      return true
    },
    /** The platform ends a function at its timeout. */
    endOlderThan(ms: number): void {
      for (const task of living) if (now() - task.begunAt > ms) kill(task)
    },
  }
}
