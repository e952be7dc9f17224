import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { FLAWS } from './flaws.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const simulate = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['scripts/simulate.mjs', ...args], { cwd: root })

it('npm run simulate ends with a summary of what it ran', async () => {
  const { stdout } = await simulate('--seeds', '40', '--from', '1000')
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^40 histories, 0 with a violation; \d+ histories per CPU-second/)
})

it('npm run simulate shows a history call by call, and refuses what is no number', async () => {
  const { stdout } = await simulate('--seeds', '1', '--from', '3', '--trace')
  expect(stdout).toMatch(/api-1 put .*"status":"pending"/)
  await expect(simulate('--seeds', 'many')).rejects.toMatchObject({ code: 2 })
})

it('npm run simulate ends with code 1 when an invariant is broken, and names the line that replays it', async () => {
  const flaw = String(1 + FLAWS.findIndex(({ name }) => name === 'a claim keeps the fence'))
  const failed = async (...args: string[]): Promise<string[]> => {
    const outcome = await simulate(...args, '--mutant', flaw).catch((thrown: unknown) => thrown)
    expect(outcome).toMatchObject({ code: 1 })
    return (outcome as { stdout: string }).stdout.trimEnd().split('\n')
  }
  const lines = await failed('--seeds', '20')
  const replay = /^npm run simulate -- (--seeds 1 --from \d+) --mutant \d+ {3}# I\d+ /.exec(lines[0]!)
  expect(replay, lines[0]).not.toBeNull()
  expect(lines.at(-1)).toMatch(/^20 histories, [1-9]\d* with a violation; /)

  const again = await failed(...replay![1]!.split(' '))
  expect(again[0]).toBe(lines[0])
  expect(again.at(-1)).toMatch(/^1 histories, 1 with a violation; /)
})
