import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

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
