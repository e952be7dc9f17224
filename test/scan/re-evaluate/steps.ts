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
}

export function steps(next: () => number, deathRate: number) {
  let turns: Turn[] = []
  const living = new Set<Living>()

  const turn = (task: Living): Promise<void> =>
    new Promise((resolve) => {
      // Of a dead task nothing goes on.
      if (!task.isDead) turns.push({ task, go: resolve })
    })

  return {
    /** Begins a task; `run` gets a function that makes any port take turns. */
    begin(name: string, run: (stepped: <Port extends object>(port: Port) => Port) => Promise<unknown>): Task {
      let die = () => {}
      const died = new Promise<boolean>((resolve) => {
        die = () => resolve(false)
      })
      const task: Living = { name, isDead: false, die }
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
      const [chosen] = turns.splice(Math.floor(next() * turns.length), 1)
      if (!chosen) return false
      if (next() < deathRate) {
        const { task } = chosen
        task.isDead = true
        turns = turns.filter((other) => other.task !== task)
        living.delete(task)
        task.die()
      } else chosen.go()
      return true
    },
  }
}
