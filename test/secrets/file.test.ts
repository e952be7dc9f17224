import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileSecrets } from '../../lib/secrets/file.ts'
import { Secret } from '../../lib/secrets/port.ts'
import { secretsConformance } from './conformance.ts'

const temporary = () => mkdtemp(join(tmpdir(), 'longshore-secrets-'))

secretsConformance('file', async () => {
  const dir = await temporary()
  return { secrets: fileSecrets(dir), close: () => rm(dir, { recursive: true }) }
})

let dir: string
beforeEach(async () => {
  dir = await temporary()
})
afterEach(() => rm(dir, { recursive: true }))

test('secrets survive a restart and are seen by another process at once', async () => {
  const one = fileSecrets(dir)
  const another = fileSecrets(dir)
  await one.put('a', new Secret('value'))
  expect((await another.get('a'))?.reveal()).toBe('value')
  await another.put('b', new Secret('other'))
  expect((await one.get('b'))?.reveal()).toBe('other')
})

test('the folder holds two files only their owner can read, and the value in neither', async () => {
  const secrets = fileSecrets(join(dir, 'new', 'folder'))
  await secrets.put('name-canary', new Secret('value-canary'))
  const folder = join(dir, 'new', 'folder')
  const files = await readdir(folder)
  expect(files.sort()).toEqual(['secrets.key', 'secrets.sealed'])
  for (const file of files) {
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(folder, file), 'latin1')).not.toContain('canary')
  }
})

test('reading makes no files', async () => {
  expect(await fileSecrets(dir).get('a')).toBeUndefined()
  expect(await readdir(dir)).toEqual([])
})

test('a changed bit anywhere in the sealed file is refused, naming the file and not the value', async () => {
  const secrets = fileSecrets(dir)
  await secrets.put('name', new Secret('canary'))
  const path = join(dir, 'secrets.sealed')
  const sealed = await readFile(path)
  for (const at of [0, 12, 28, sealed.length - 1]) {
    const changed = Buffer.from(sealed)
    changed[at]! ^= 1
    await writeFile(path, changed)
    const refused = { code: 'config-invalid', message: expect.stringMatching(/secrets\.sealed cannot be opened/) }
    await expect(secrets.get('name')).rejects.toMatchObject(refused)
    await expect(secrets.put('other', new Secret('canary'))).rejects.not.toThrow('canary')
    expect(await readFile(path)).toEqual(changed)
  }
  await writeFile(path, sealed.subarray(0, 20))
  await expect(secrets.get('name')).rejects.toThrow('secrets.sealed')
})

test.each([
  ['another key', Buffer.alloc(32, 7)],
  ['a cut key', Buffer.alloc(31, 7)],
])('%s opens nothing and writes nothing', async (_, key) => {
  const secrets = fileSecrets(dir)
  await secrets.put('name', new Secret('canary'))
  await writeFile(join(dir, 'secrets.key'), key)
  await expect(secrets.get('name')).rejects.toThrow('secrets.key')
  await expect(secrets.put('name', new Secret('new'))).rejects.toThrow('secrets.key')
})

test('a lost key is told, and no new one is made over secrets that need the old', async () => {
  const secrets = fileSecrets(dir)
  await secrets.put('name', new Secret('canary'))
  await rm(join(dir, 'secrets.key'))
  await expect(secrets.put('name', new Secret('new'))).rejects.toThrow(/secrets\.key is missing/)
  expect(await readdir(dir)).toEqual(['secrets.sealed'])
})
