import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openAdvisories } from '../../lib/advisories/index.ts'
import { BUILT_FROM_KEY } from '../../lib/advisories/model.ts'
import { diskBlobs } from '../../lib/blobs/disk.ts'
import { main } from '../../lib/cli/main.ts'
import { dump, dumps, record } from '../advisories/dumps.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function longshore(words: string[], env: Record<string, string> = {}) {
  const out: string[] = []
  const err: string[] = []
  const code = await main(words, { env, out: (line) => out.push(line), err: (line) => err.push(line) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

describe('longshore advisories update', () => {
  test('builds a revision out of a folder into the data folder, where a service reads it', async () => {
    using world = dumps({ npm: dump(record('A', 'npm', 'a', '1'), record('B', 'npm', 'b', '1')) })
    const { code, out, err } = await longshore(['advisories', 'update', '--from', world.directory, '--data', folder])
    const blobs = diskBlobs(join(folder, 'blobs'))
    const database = await openAdvisories(blobs)
    expect([code, out]).toEqual([0, `revision ${database.revision}: 2 records of 1 ecosystems`])
    expect(err).toContain('npm: 2 records read')
    expect(await database.lookup('npm', 'a')).toHaveLength(1)
    expect(JSON.parse(Buffer.from((await blobs.get(BUILT_FROM_KEY))!).toString())).toEqual({
      command: 'advisories update',
      from: world.directory,
    })
  })

  test('takes its places from the environment, and options win over it', async () => {
    using world = dumps({ npm: dump(record('A', 'npm', 'a', '1')) })
    const env = { LONGSHORE_ADVISORIES: '/nowhere', LONGSHORE_DATA: folder }
    const { code, out, err } = await longshore(
      ['advisories', 'update', '--from', world.directory, '--json', '--quiet'],
      env,
    )
    expect([code, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({ records: 1, ecosystems: ['npm'], skipped: { count: 0 } })
  })

  test('takes a trivy.db by an option of its own, whatever its name, and no second source', async () => {
    const file = join(folder, 'copy-of-trivy')
    writeFileSync(file, gunzipSync(readFileSync(new URL('../fixtures/trivy/trivy.db.gz', import.meta.url))))
    const words = ['advisories', 'update', '--trivy-db', file, '--data', folder]
    expect(await longshore(words)).toMatchObject({ code: 0 })
    const database = await openAdvisories(diskBlobs(join(folder, 'blobs')))
    expect(await database.lookup('Amazon Linux:2', 'curl')).toHaveLength(1)
    expect(await longshore([...words, '--from', folder])).toMatchObject({ code: 2, out: '' })
  })

  test('says what it reads, what each ecosystem has, what changed and what it built', async () => {
    using world = dumps({ npm: dump(record('A', 'npm', 'a', '1')), Go: dump(record('G', 'Go', 'g', '1')) })
    const words = ['advisories', 'update', '--from', world.directory, '--data', folder]
    const first = await longshore(words)
    const { revision } = await openAdvisories(diskBlobs(join(folder, 'blobs')))
    world.write('npm', dump(record('A', 'npm', 'a', '2'), record('B', 'npm', 'b', '1')))
    const { out, err } = await longshore(words)
    expect(first.err.split('\n').slice(0, 3)).toEqual([
      `reading ${world.directory}`,
      'Go: 1 records read',
      'npm: 1 records read',
    ])
    expect(err).toContain(`2 packages are told otherwise than by revision ${revision}`)
    expect(out).toMatch(/^revision \S+: 3 records of 2 ecosystems$/)
  })

  test('refuses an enrichment folder that is not there, rather than build without', async () => {
    using world = dumps({ npm: dump(record('A', 'npm', 'a', '1')) })
    const words = ['advisories', 'update', '--from', world.directory, '--data', folder, '--quiet']
    const { code, err } = await longshore([...words, '--enrichment', '/none'])
    expect([code, err]).toEqual([2, 'longshore: There is no folder /none (LONGSHORE_ENRICHMENT, --enrichment)'])
  })

  test('that fails leaves the revision before, says why and ends with the code of the error', async () => {
    using world = dumps({ npm: dump(record('A', 'npm', 'a', '1')) })
    const words = ['advisories', 'update', '--from', world.directory, '--data', folder]
    await longshore(words)
    const { revision } = await openAdvisories(diskBlobs(join(folder, 'blobs')))
    world.write('npm', new Uint8Array(100))
    const { code, out, err } = await longshore(words)
    expect([code, out]).toEqual([6, ''])
    expect(err).toMatch(/^longshore: The directory of .*npm\/all\.zip cannot be read/m)
    expect((await openAdvisories(diskBlobs(join(folder, 'blobs')))).revision).toBe(revision)
  })
})

describe('arguments', () => {
  test.each<[string[], RegExp]>([
    [
      ['frobnicate'],
      /There is no command "frobnicate"; the commands are scan, advisories update; see longshore --help$/,
    ],
    [['advisories'], /There is no command "advisories"; meant is perhaps longshore advisories update;/],
    [['advisories', 'delete', 'x'], /There is no command "advisories delete"; meant is perhaps/],
    [['--nonsense'], /'--nonsense' is no command; the commands are scan, advisories update;/],
    [['advisories', 'update', '--from', 'ftp://x'], /ftp:\/\/x is neither a folder nor an https address/],
    [['advisories', 'update', '--form', 'x'], /Unknown option '--form'; see longshore advisories update --help/],
    [['advisories', 'update', '--from'], /'--from.*' argument missing/],
    [['advisories', 'update', '--from='], /'--from' needs a value/],
    [['advisories', 'update', '--json=yes'], /'--json' does not take an argument/],
    [['advisories', 'update', 'x'], /Unexpected argument 'x'/],
  ])('%j is a mistake of usage', async (words, sentence) => {
    const { code, out, err } = await longshore(words)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(sentence)
    expect(err.split('\n')).toHaveLength(1)
  })

  test('help about a command says what it takes', async () => {
    expect((await longshore(['help', 'scan'])).out).toBe((await longshore(['scan', '--help'])).out)
  })

  test.each([[[]], [['--help']], [['-h']], [['help']], [['help', 'nothing']]])(
    '%j lists the commands',
    async (words) => {
      const { code, out } = await longshore(words)
      expect([code, out.includes('advisories update')]).toEqual([0, true])
    },
  )

  test('every option stands in the help of its command', async () => {
    const { code, out } = await longshore(['advisories', 'update', '--help'])
    expect(code).toBe(0)
    for (const option of [
      '--from URL|DIR',
      '--trivy-db FILE',
      '--enrichment URL|DIR',
      '--data DIR',
      '--json',
      '--quiet',
      '--help',
    ])
      expect(out).toContain(option)
  })

  test('--version is that of the package', async () => {
    for (const word of ['--version', '-v', 'version']) expect((await longshore([word])).out).toMatch(/^\d+\.\d+\.\d+$/)
  })
})
