/**
 * Runs around every test file: no canary secret of any test may reach the console or the streams of the process. Tests name
 * their secrets `canary-...`.
 */
import { afterAll, beforeAll, expect } from 'vitest'

const CANARY = /canary-[a-z0-9-]{3,}/
const METHODS = ['log', 'info', 'warn', 'error', 'debug'] as const

let leaks: string[] = []
let restore: () => void = () => {}

beforeAll(() => {
  leaks = []
  const look = (text: unknown) => {
    const found = CANARY.exec(typeof text === 'string' ? text : String(text))
    if (found) leaks.push(found[0])
  }
  const { stdout, stderr } = process
  const writes = [stdout.write, stderr.write] as const
  const logs = METHODS.map((method) => console[method])
  for (const stream of [stdout, stderr]) {
    const { write } = stream
    stream.write = ((...args: Parameters<typeof write>) => {
      look(args[0])
      return write.apply(stream, args)
    }) as typeof write
  }
  for (const [index, method] of METHODS.entries())
    console[method] = (...args: unknown[]) => {
      for (const arg of args) look(arg)
      logs[index]?.apply(console, args)
    }
  restore = () => {
    ;[stdout.write, stderr.write] = writes
    for (const [index, method] of METHODS.entries()) console[method] = logs[index]!
  }
})

afterAll(() => {
  restore()
  expect(leaks, 'secrets of tests on the console').toEqual([])
})
