import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'

/** Made here, so that this file does not hold one for whoever searches it. */
const SECRET = ['canary', 'search', '77ab'].join('-')

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'longshore-search-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const search = (...paths: string[]) =>
  promisify(execFile)(process.execPath, ['scripts/no-canaries.mjs', ...paths]).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  )

test('a secret that was left behind is found in logs, headers, folders and gzip, and named without being told', async () => {
  const data = folder()
  mkdirSync(join(data, 'deep'))
  const user = (name: string) => Buffer.from(`${name}:${SECRET}`).toString('base64')
  writeFileSync(join(data, 'plain.log'), `0123456789 ${SECRET}`)
  writeFileSync(join(data, 'deep/one'), `Basic ${user('robot')}`)
  writeFileSync(join(data, 'deep/two'), `Basic ${user('robots')}`)
  writeFileSync(join(data, 'deep/three'), `Basic ${user('me')}`)
  const member = gzipSync(`a line\npassword ${SECRET}\n`)
  writeFileSync(join(data, 'members.gz'), Buffer.concat([gzipSync('harmless'), member]))
  writeFileSync(join(data, 'inside'), Buffer.concat([Buffer.from('head'), member.subarray(0, -8)]))

  const { code, stdout } = await search(data)

  expect(code).toBe(1)
  expect(stdout).toContain(`${join(data, 'plain.log')} at 11`)
  for (const name of ['deep/one', 'deep/two', 'deep/three', 'members.gz', 'inside'])
    expect(stdout).toContain(`${join(data, name)}`)
  expect(stdout).not.toContain(SECRET)
})

test('a secret across two pieces of a long file is found where it stands', async () => {
  const data = folder()
  const at = 16 * 1_048_576 - 5
  writeFileSync(join(data, 'long'), Buffer.concat([Buffer.alloc(at, '.'), Buffer.from(SECRET), Buffer.alloc(100, '.')]))
  expect(await search(join(data, 'long'))).toMatchObject({ code: 1, stdout: expect.stringContaining(`long at ${at}`) })
})

test('prose about canaries is no secret', async () => {
  const data = folder()
  writeFileSync(join(data, 'log'), 'test/canary.test.ts, silent-canaries.ts, longshore-canary, a canary-in a mine')
  expect(await search(data)).toMatchObject({ code: 0, stdout: '1 files searched, 0 secrets found\n' })
})
