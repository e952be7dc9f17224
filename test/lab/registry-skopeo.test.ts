/** What other programs make of the demo registry and its images. Needs skopeo, dpkg and tar on PATH; skips otherwise. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { image, index, layer, tarOf } from '../../lib/local/demo/build.ts'
import { debianPackages } from '../../lib/local/demo/debian.ts'
import { seedDemo } from '../../lib/local/demo/image.ts'
import { push } from '../../lib/local/demo/push.ts'
import { startRegistry } from '../../lib/local/registry/server.ts'

const run = promisify(execFile)

const lacks = (command: string): boolean => {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return true
  }
}

describe.skipIf(lacks('skopeo'))('skopeo', () => {
  test('copies the demo image with all platforms between two registries, one with basic authentication', async () => {
    const source = await startRegistry()
    const target = await startRegistry({ credentials: { username: 'robot', password: 'canary-skopeo-5d20' } })
    try {
      const digest = await seedDemo(source.host)
      await run('skopeo', [
        'copy',
        '--all',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        '--dest-creds=robot:canary-skopeo-5d20',
        `docker://${source.host}/demo/shop:1.0`,
        `docker://${target.host}/copy/shop:1.0`,
      ])
      expect(target.store.resolve('copy/shop', '1.0')).toBe(digest)
      const { stdout } = await run('skopeo', ['list-tags', '--tls-verify=false', `docker://${source.host}/demo/shop`])
      expect(JSON.parse(stdout).Tags).toEqual(['1.0'])
    } finally {
      await Promise.all([source.close(), target.close()])
    }
  })

  test('reads gzip, zstd and plain layers, verifying each, with bearer tokens', async () => {
    const registry = await startRegistry({
      credentials: { username: 'robot', password: 'canary-skopeo-5d20', scheme: 'bearer' },
    })
    const folder = await mkdtemp(join(tmpdir(), 'longshore-skopeo-'))
    try {
      const entries = [{ path: 'etc/motd', content: 'x'.repeat(200_000) }]
      const layers = (['gzip', 'zstd', 'none'] as const).map((compression) => layer(entries, { compression }))
      const oci = join(folder, 'oci')
      const plain = await startRegistry()
      await push(plain.url, 'a', '1', index([image({ layers })]))
      const through = `docker://${registry.host}/a/b:1`
      const plainFlags = ['--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false']
      await run('skopeo', [
        'copy',
        '--all',
        ...plainFlags,
        '--dest-creds=robot:canary-skopeo-5d20',
        `docker://${plain.host}/a:1`,
        through,
      ])
      await run('skopeo', [
        'copy',
        '--all',
        ...plainFlags,
        '--src-creds=robot:canary-skopeo-5d20',
        through,
        `oci:${oci}:1`,
      ])
      await plain.close()
      for (const l of layers) {
        const file = join(oci, 'blobs', 'sha256', l.descriptor.digest.slice(7))
        expect((await readFile(file)).equals(l.bytes)).toBe(true)
      }
      expect(registry.requests.some((r) => r.authorization === 'Bearer' && r.status === 201)).toBe(true)
    } finally {
      await registry.close()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

test.skipIf(lacks('tar'))('tar lists what the builder wrote, long names and links too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-tar-'))
  try {
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}ä`
    const file = join(folder, 'a.tar')
    await writeFile(
      file,
      tarOf([
        { path: 'dir/', mode: 0o1777 },
        { path: long, content: 'hello' },
        { path: 'hard', type: 'hardlink', linkname: long },
        { path: 'soft', type: 'symlink', linkname: 't'.repeat(150) },
      ]),
    )
    const { stdout } = await run('tar', ['-tvf', file, '--quoting-style=literal'])
    expect(stdout).toContain('drwxrwxrwt')
    expect(stdout).toContain(`5 1970-01-01 00:00 ${long}`)
    expect(stdout).toContain(`hard link to ${long}`)
    expect(stdout).toContain(`soft -> ${'t'.repeat(150)}`)
    expect((await run('tar', ['-xOf', file, long])).stdout).toBe('hello')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test.skipIf(lacks('dpkg'))('dpkg finds every demo package older than the fix of its Debian advisory', async () => {
  const folder = join(import.meta.dirname, '../../demo/advisories/Debian')
  let compared = 0
  for (const name of await readdir(folder)) {
    const record = JSON.parse(await readFile(join(folder, name), 'utf8'))
    for (const { package: p, ranges } of record.affected)
      for (const fixed of ranges[0].events.flatMap((e: { fixed?: string }) => e.fixed ?? []))
        for (const found of debianPackages.filter((d) => d.source === p.name)) {
          await run('dpkg', ['--compare-versions', found.sourceVersion, 'lt', fixed])
          compared++
        }
  }
  expect(compared).toBeGreaterThan(20)
})
