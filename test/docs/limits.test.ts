/** docs/limits.md is written from lib/config.ts; nobody must find an old number in it. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/limits.mjs', import.meta.url))

test('the page of limits says what the configuration says', async () => {
  const { stderr } = await promisify(execFile)(process.execPath, [script, '--check']).catch(
    (failed: { stderr: string }) => failed,
  )
  expect(stderr).toBe('')
})
