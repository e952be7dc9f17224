/** Real tools against the readers of saved images and of referrers: skopeo writes, docker-registry has no referrers API. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { main } from '../../lib/cli/main.ts'
import { seedDemo } from '../../lib/local/demo/image.ts'
import { startRegistry } from '../../lib/local/registry/server.ts'
import { pushReferrer } from '../../lib/oci/push-referrer.ts'
import { fallbackTag, listReferrers } from '../../lib/oci/referrers.ts'
import type { Report } from '../../lib/report/model.ts'
import { clientOf } from '../oci/server.ts'
import { skipped, TARGET } from './lab.ts'

/** Beside this process, whose registries it asks. */
const skopeo = async (...words: string[]) => (await promisify(execFile)('skopeo', words, { timeout: 15_000 })).stdout

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'longshore-inputs-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function scan(input: string, data: string): Promise<Report> {
  const out: string[] = []
  const terminal = { env: {}, out: (line: string) => out.push(line), err: () => {} }
  const code = await main(['scan', input, '--format', 'json', '--data', data], terminal)
  expect([input, code]).toEqual([input, 0])
  return JSON.parse(out.join('\n'))
}

describe.skipIf(skopeoIsMissing())('an image that skopeo saved', () => {
  test.each(['oci:shop:1.0', 'oci-archive:shop.tar:1.0', 'docker-archive:docker.tar:demo/shop:1.0'])(
    'as %s has the findings of the registry',
    async (where) => {
      const registry = await startRegistry()
      onTestFinished(() => registry.close())
      await seedDemo(registry.host)
      const dir = folder()
      const [kind = '', path = '', ...name] = where.split(':')
      const target = `${kind}:${join(dir, path)}:${name.join(':')}`
      await skopeo('copy', '--quiet', '--src-tls-verify=false', `docker://${registry.host}/demo/shop:1.0`, target)
      const expected = await scan(`${registry.host}/demo/shop:1.0`, join(dir, 'a'))
      // A data folder of its own: every layer is read out of the file.
      for (const input of [target, `${kind}:${join(dir, path)}`]) {
        const { findings, packages, gaps } = await scan(input, join(dir, 'b'))
        // A layout knows the tag alone, by which it could be any image.
        const others = gaps.filter((gap) => !gap.includes('bundled demo advisories'))
        expect([findings, packages, others]).toEqual([expected.findings, expected.packages, []])
      }
    },
  )
})

describe.skipIf(skipped)(`docker-registry${skipped}`, () => {
  test('lists what we push under the tag of the referrers, once, and skopeo sees an index there', async () => {
    await skopeo(
      'copy',
      '--quiet',
      '--dest-tls-verify=false',
      `oci:${await layout()}`,
      `docker://${TARGET}/inputs/app:1`,
    )
    const client = clientOf(TARGET)
    const subject = (await client.resolve('inputs/app', '1'))!
    const artifactType = 'application/vnd.cyclonedx+json'
    const content = Buffer.from(JSON.stringify({ bomFormat: 'CycloneDX', at: Date.now() }))
    const first = await pushReferrer(client, 'inputs/app', { subject, artifactType, content })
    const again = await pushReferrer(client, 'inputs/app', { subject, artifactType, content })
    expect([first.pushed, again]).toEqual([true, { digest: first.digest, pushed: false }])
    const other = Buffer.from('{}')
    const vex = await pushReferrer(client, 'inputs/app', {
      subject,
      artifactType: 'application/vnd.openvex+json',
      content: other,
    })
    const found = await listReferrers(client, 'inputs/app', subject.digest, [artifactType])
    expect(found.map(({ digest }) => digest)).toContain(first.digest)
    const image = `docker://${TARGET}/inputs/app:${fallbackTag(subject.digest)}`
    const index = JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', image))
    const digests = index.manifests.map(({ digest }: { digest: string }) => digest)
    expect(digests.filter((digest: string) => digest === first.digest)).toHaveLength(1)
    expect(digests).toContain(vex.digest)
  })
})

/** The demo image as an OCI layout. */
async function layout(): Promise<string> {
  const registry = await startRegistry()
  onTestFinished(() => registry.close())
  await seedDemo(registry.host)
  const path = join(folder(), 'oci')
  await skopeo('copy', '--quiet', '--src-tls-verify=false', `docker://${registry.host}/demo/shop:1.0`, `oci:${path}:1`)
  return `${path}:1`
}

function skopeoIsMissing(): boolean {
  try {
    execFileSync('skopeo', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return true
  }
}
