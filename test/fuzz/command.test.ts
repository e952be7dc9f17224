import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const fuzz = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['scripts/fuzz.mjs', ...args], { cwd: root }).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  )

it('npm run fuzz ends with a summary of what it tried', async () => {
  const { code, stdout } = await fuzz('--inputs', '50', '--target', 'apk')
  expect({ code, stdout }).toEqual({ code: 0, stdout: '50 inputs for 1 readers, 0 flaws; fewest: 50 for apk\n' })
})

it('npm run fuzz refuses a reader nobody has, and what is no number, and says how to ask', async () => {
  expect(await fuzz('--target', 'nobody')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is none of tar, layer'),
  })
  expect(await fuzz('--inputs', 'many')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('usage: npm run fuzz'),
  })
  expect(await fuzz('--wrong')).toMatchObject({ code: 2, stderr: expect.stringContaining("'--wrong'") })
})
