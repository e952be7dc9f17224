/** The real `node start.mjs` as a child process in a process group of its own. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export interface Started {
  api: string
  /** Of the child itself: node, or the shell or npm that runs it. */
  pid: number
  /** What it printed so far. */
  out(): string
  err(): string
  /** Resolves with everything printed once the pattern is found in it; rejects when the process ends before. */
  printed(pattern: RegExp): Promise<string>
  /** Resolves when /healthz answers, with the milliseconds since the start. */
  ready(): Promise<number>
  /** Exit code or signal of the child. */
  ended: Promise<number | string>
  /** Resolves when no process is left that could write to the child's stderr: neither child nor grandchild. */
  silent: Promise<void>
  kill(signal: NodeJS.Signals): void
  /** Kills the whole group, whatever is left of it. */
  sweep(): void
  /**
   * Resolves when no process of the group runs. Needed after `silent`: the kernel closes the files of a process a moment
   * before it counts as ended. A process that stays lets the test run into its time limit.
   */
  gone(): Promise<void>
  call<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }>
}

export interface StartOptions {
  port: number
  env: Record<string, string>
  command?: [string, ...string[]]
  /** Closes our end of its stdout at once, as `npm start | true` does. */
  closeStdout?: boolean
}

export function start({ port, env, command = ['node', 'start.mjs'], closeStdout }: StartOptions): Started {
  const startedAt = performance.now()
  const [program, ...args] = command
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    cwd: root,
    // A variable of ours is not one of a newcomer's.
    env: { ...withoutOurs(process.env), LONGSHORE_PORT: `${port}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const pid = child.pid!
  const api = `http://127.0.0.1:${port}`
  let out = ''
  let err = ''
  const listeners = new Set<() => void>()
  const heard = () => {
    for (const listener of listeners) listener()
  }
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    heard()
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    heard()
  })
  if (closeStdout) child.stdout.destroy()
  const ended = new Promise<number | string>((resolve) =>
    child.once('exit', (code, signal) => {
      resolve(code ?? signal ?? 'gone')
      heard()
    }),
  )
  const isEnded = () => child.exitCode !== null || child.signalCode !== null
  const isGroupAlive = () => isAliveIn(pid)
  return {
    api,
    pid,
    out: () => out,
    err: () => err,
    ended,
    silent: new Promise((resolve) => child.stderr.once('close', () => resolve())),
    kill: (signal) => void child.kill(signal),
    sweep: () => {
      if (isGroupAlive()) process.kill(-pid, 'SIGKILL')
    },
    gone: async () => {
      while (isGroupAlive()) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(out + err) && !isEnded()) return
          listeners.delete(look)
          if (pattern.test(out + err)) resolve(out + err)
          else reject(new Error(`it ended before it printed ${pattern}: ${out}${err}`))
        }
        listeners.add(look)
        look()
      }),
    async ready() {
      for (;;) {
        if (
          await fetch(`${api}/healthz`).then(
            ({ ok }) => ok,
            () => false,
          )
        )
          return performance.now() - startedAt
        if (isEnded()) throw new Error(`it ended before it was ready: ${out}${err}`)
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    },
    async call<T>(method: string, path: string, body?: object) {
      const answer = await fetch(api + path, {
        method,
        ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
      })
      return { status: answer.status, body: (await answer.json()) as T }
    },
  }
}

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(LONGSHORE_|AWS_|SLS_)/.test(name)))
}

/** Whether a process of this group runs. One that ended and that nobody has asked for yet (a zombie) does not. */
function isAliveIn(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  if (!existsSync('/proc')) return true
  const states = readdirSync('/proc').flatMap((name) => {
    try {
      const [, state, pgrp] = /^.*\) (\S) \d+ (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? []
      return Number(pgrp) === group ? [state] : []
    } catch {
      return []
    }
  })
  return states.some((state) => state !== 'Z')
}

/** Ids of the processes whose parent this is; Linux only, empty elsewhere. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

/** Free ports below the range that `listen(0)` takes from, so that no other test gets one of them meanwhile. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
