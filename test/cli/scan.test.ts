import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { main } from '../../lib/cli/main.ts'
import { type BuiltImage, image, layer } from '../../lib/local/demo/build.ts'
import { demoImage, seedDemo } from '../../lib/local/demo/image.ts'
import { push } from '../../lib/local/demo/push.ts'
import { startRegistry } from '../../lib/local/registry/server.ts'
import type { Report } from '../../lib/report/model.ts'
import { dump, dumps, record } from '../advisories/dumps.ts'
import { dockerFiles, folder, layoutFiles, tarFile } from '../scan/inputs/saved-images.ts'

/** A folder with data of its own, and the command on it. */
function world(env: Record<string, string> = {}) {
  const where = folder()
  onTestFinished(() => where[Symbol.dispose]())
  const data = join(where.path, 'data')
  const longshore = async (...words: string[]) => {
    const out: string[] = []
    const err: string[] = []
    const terminal = { env, out: (line: string) => out.push(line), err: (line: string) => err.push(line) }
    const code = await main([...words, '--data', data], terminal)
    return { code, out: out.join('\n'), err: err.join('\n') }
  }
  const scan = async (...words: string[]) => {
    const answer = await longshore('scan', '--format', 'json', ...words)
    return { ...answer, report: (answer.out === '' ? undefined : JSON.parse(answer.out)) as Report }
  }
  return { where, data, longshore, scan }
}

/** `left` 1.0.0 has a Medium flaw that is fixed and a Critical one that is not. */
async function withAdvisories(env: Record<string, string> = {}) {
  const made = world(env)
  using records = dumps({
    npm: dump(
      record('GHSA-aaaa-bbbb-cccc', 'npm', 'left', '2.0.0', {
        severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:L' }],
      }),
      record('GHSA-dddd-eeee-ffff', 'npm', 'left', '2.0.0', {
        severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
        affected: [
          { package: { ecosystem: 'npm', name: 'left' }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }] }] },
        ],
      }),
    ),
    Debian: dump(record('DEBIAN-CVE-2024-1', 'Debian:12', 'openssl', '1')),
  })
  expect((await made.longshore('advisories', 'update', '--quiet', '--from', records.directory)).code).toBe(0)
  const saved = tarFile(made.where, dockerFiles({ 'team/app:1': app() }))
  return { ...made, saved: `docker-archive:${saved}` }
}

const app = (): BuiltImage =>
  image({
    layers: [
      layer([
        { path: 'etc/os-release', content: 'ID=debian\nVERSION_ID="12"\n' },
        { path: 'var/lib/dpkg/status', content: 'Package: a\nStatus: install ok installed\nVersion: 1\n' },
        { path: 'app/node_modules/left/package.json', content: '{"name":"left","version":"1.0.0"}' },
      ]),
    ],
  })
const idsOf = (report: Report) => report.findings.map(({ id }) => id)

describe('longshore scan', () => {
  test('of the demo image finds the same in a registry, in files and in its SBOM', async () => {
    const { where, scan, longshore } = world()
    const registry = await startRegistry()
    onTestFinished(() => registry.close())
    await seedDemo(registry.host)
    const first = await scan(`${registry.host}/demo/shop:1.0`)
    expect([first.code, first.report.findings.length > 30, first.report.coverage]).toEqual([0, true, 'full'])
    expect(first.err).toMatch(/^warning: judged by the bundled demo advisories only/m)

    const requests = registry.requests.length
    const again = await scan(`${registry.host}/demo/shop:1.0`)
    expect(again.out).toBe(first.out)
    // One look at what the tag names; nothing is pulled.
    expect(registry.requests.length).toBe(requests + 1)

    const demo = demoImage()
    const layout = tarFile(where, layoutFiles({ 'shop:1.0': demo }), 'oci.tar')
    const docker = tarFile(where, dockerFiles({ 'shop:1.0': demo.children[0] as BuiltImage }), 'docker.tar')
    const sbom = join(where.path, 'shop.cdx.json')
    await longshore('scan', `oci:${layout}:shop:1.0`, '--format', 'cyclonedx', '--output', sbom, '--quiet')
    for (const input of [`oci:${layout}`, `oci-archive:${layout}:1.0`, `docker-archive:${docker}`, `sbom:${sbom}`]) {
      const { report } = await scan(input)
      expect(report.findings).toEqual(first.report.findings)
      // By its name alone it could be any image, of which the demo advisories know nothing.
      expect([report.coverage, report.gaps]).toEqual(['partial', [expect.stringContaining('bundled demo advisories')]])
    }
  })

  test('asks a registry with the credentials of LONGSHORE_REGISTRIES', async () => {
    const password = 'canary-cli-scan-c07e'
    const registry = await startRegistry({ credentials: { username: 'robot', password } })
    onTestFinished(() => registry.close())
    const authorization = `Basic ${Buffer.from(`robot:${password}`).toString('base64')}`
    await push(registry.url, 'team/app', '1', app(), { authorization })
    const refused = await world().scan(`${registry.host}/team/app:1`)
    expect([refused.code, refused.out]).toEqual([5, ''])
    const credentials = { username: 'robot', password }
    const object = { host: registry.host, insecure: true, allowPrivate: true, credentials }
    const { code, out, err } = await world({ LONGSHORE_REGISTRIES: JSON.stringify([object]) }).scan(
      `${registry.host}/team/app:1`,
    )
    expect(code).toBe(0)
    expect(out + err).not.toContain(password)
  })

  test('is judged by the revision that advisories update has built, without a warning', async () => {
    const { scan, saved } = await withAdvisories()
    const { report, err } = await scan(saved)
    expect(idsOf(report)).toEqual(['GHSA-dddd-eeee-ffff', 'GHSA-aaaa-bbbb-cccc'])
    expect(err).not.toContain('warning')
    expect(err).toMatch(/^layer sha256:\w+ read: 2 packages$/m)
    expect((await scan(saved, '--quiet')).err).toBe('')
  })

  test('writes the table unless another format is asked for', async () => {
    const { longshore, saved } = await withAdvisories()
    const table = await longshore('scan', saved)
    expect(table.out).toMatch(/^Image {7}team\/app:1$/m)
    expect((await longshore('scan', saved, '--format', 'sarif')).out).toMatch(/^\{/)
    const refused = await longshore('scan', saved, '--format', 'pdf')
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('"pdf" is not a report format')])
  })

  test.each<[string[], number]>([
    [['--fail-on', 'critical'], 1],
    [['--fail-on', 'Low'], 1],
    [['--fail-on', 'unknown'], 1],
    // The critical one has no fix.
    [['--fail-on', 'high', '--fixable'], 0],
    [['--fail-on', 'medium', '--fixable'], 1],
    // What is shown does not decide.
    [['--fail-on', 'critical', '--severity', 'Medium'], 1],
    [['--severity', 'Critical'], 0],
  ])('with %j ends with %d', async (options, expected) => {
    const { longshore, saved } = await withAdvisories()
    const { code, out, err } = await longshore('scan', saved, '--quiet', ...options)
    expect(code).toBe(expected)
    expect(out).toMatch(/^\d findings? in/m)
    if (expected === 1) expect(err).toMatch(/^longshore: \d findings? (?:is|are) \w+(?: or worse)? \(--fail-on\)$/)
  })

  test('leaves out what a file accepts and what VEX says, from as many files as are given', async () => {
    const { where, scan, saved } = await withAdvisories()
    const ignore = where.write('.trivyignore', '# nobody reaches it\nGHSA-aaaa-bbbb-cccc\n')
    const vex = where.write(
      'app.openvex.json',
      JSON.stringify({
        '@context': 'https://openvex.dev/ns/v0.2.0',
        statements: [
          {
            vulnerability: { name: 'GHSA-dddd-eeee-ffff' },
            products: ['pkg:npm/left@1.0.0'],
            status: 'not_affected',
            justification: 'vulnerable_code_not_present',
          },
        ],
      }),
    )
    const { code, report } = await scan(saved, '--ignore-file', ignore, '--vex', vex, '--fail-on', 'unknown')
    expect([code, report.findings, report.suppressed?.length]).toEqual([0, [], 2])
    const broken = where.write('broken.json', '{')
    expect((await scan(saved, '--vex', vex, '--vex', broken)).code).toBe(2)
    expect((await scan(saved, '--vex', join(where.path, 'none'))).err).toMatch(/there is no file \S*none \(--vex\)$/)
  })

  test('warns when it is asked to fail on findings but could not see everything', async () => {
    const { where, scan } = await withAdvisories()
    const components = [{ type: 'library', name: 'right', version: '1', purl: 'pkg:npm/right@1' }]
    const sbom = where.write('a.json', JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.5', components }))
    const { code, report, err } = await scan(`sbom:${sbom}`, '--fail-on', 'low')
    expect([code, report.image, report.packages[0]?.path]).toEqual([0, 'a.json', 'a.json'])
    expect(err).toBe('warning: coverage is partial; the report says what could not be judged')
  })

  test('takes a name behind the path of an archive, whatever colons are in it', async () => {
    const { where, scan } = await withAdvisories()
    const file = tarFile(where, dockerFiles({ 'team/app:1': app() }), 'a:b.tar')
    expect((await scan(`docker-archive:${file}:team/app:1`)).code).toBe(0)
    expect((await scan(`docker-archive:${file}:team/app:2`)).err).toContain('None is "team/app:2"')
  })

  test.each<[string[], number, RegExp]>([
    [[], 2, /Something is missing: name one IMAGE/],
    [['a', 'b'], 2, /'b' is one too many/],
    [['./none.tar'], 2, /looks like a path, not an image .*write docker-archive:\.\/none\.tar or oci:\.\/none\.tar$/],
    [['bom.cdx.json'], 2, /looks like a path.*write sbom:bom\.cdx\.json$/],
    [[import.meta.dirname], 2, /is a path, not an image/],
    [['UPPER/Case:1'], 2, /has capital letters/],
    [['a/b:1', '--output', '/none/report'], 2, /\/none\/report cannot be written: there is no folder \/none$/],
    [['a/b:1', '--output', '/'], 2, /it is a folder$/],
    [['a/b:1', '--ignore-file', '/none'], 2, /there is no file \/none \(--ignore-file\)$/],
    [
      ['a/b:1', '--vex', import.meta.filename],
      2,
      /is neither OpenVEX nor CycloneDX; an ignore file is for --ignore-file$/,
    ],
    [['sbom:/none.json'], 2, /there is no file \/none.json/],
    [['oci:/none'], 2, /there is no file or folder \/none/],
    [['https://a/b:1'], 2, /starts with a scheme/],
    [['a/b:1', '--platform', 'x'], 2, /"x" is not a platform/],
    [['a/b:1', '--severity', 'bad'], 2, /"bad" is not a severity/],
    [['a/b:1', '--fail-on', 'bad'], 2, /"bad" is not a severity/],
    [['10.1.2.3/a/b:1'], 6, /10\.1\.2\.3/],
    [['127.0.0.1:1/a/b:1'], 6, /refused the connection/],
  ])('%j is told in a sentence', async (words, code, sentence) => {
    const answer = await world({ LONGSHORE_REGISTRY_RETRIES_MAX: '0' }).scan(...words)
    expect([answer.code, answer.out]).toEqual([code, ''])
    expect(answer.err).toMatch(sentence)
    expect(answer.err.split('\n')).toHaveLength(1)
    expect(answer.err).toMatch(/^longshore: /)
  })

  test('of an image that is not there ends with 4, of a registry that is not there with 6', async () => {
    const registry = await startRegistry()
    const { host } = registry
    const gone = await world().scan(`${host}/team/app:1`)
    expect([gone.code, gone.err]).toEqual([4, expect.stringMatching(/^longshore: \S+\/team\/app:1 .*$/)])
    await registry.close()
    const down = await world({ LONGSHORE_REGISTRY_RETRIES_MAX: '0' }).scan(`${host}/team/app:1`)
    expect([down.code, down.err]).toEqual([6, expect.stringMatching(/^longshore: \S+ refused the connection/)])
  })

  test('that fails as nobody foresaw does not end as one that has found something', async () => {
    const { where, data, scan } = world()
    mkdirSync(join(data, 'blobs/advisories+/current.json'), { recursive: true })
    const sbom = where.write('a.json', JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.5', components: [] }))
    expect((await scan(`sbom:${sbom}`, '--fail-on', 'low')).code).toBe(3)
  })

  test.each([
    ['a file', import.meta.filename],
    ['below a file', join(import.meta.filename, 'x')],
    ['far below a file', '/dev/null/x/y'],
  ])('names a data folder that is %s', async (_what, folder) => {
    const err: string[] = []
    const code = await main(['scan', 'sbom:x.json', '--data', folder], {
      env: {},
      out: () => {},
      err: (line) => err.push(line),
    })
    expect([code, err]).toEqual([2, [expect.stringContaining('is a file; the data folder has to be a folder')]])
  })

  test('writes the report into a file when asked to', async () => {
    const { where, longshore, saved } = await withAdvisories()
    const file = join(where.path, 'report.csv')
    const { out } = await longshore('scan', saved, '--format', 'csv', '--output', file)
    expect([out, readFileSync(file, 'utf8').split('\r\n').length]).toEqual(['', 4])
  })
})
