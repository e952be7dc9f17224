import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { image, layer } from '../../lib/local/demo/build.ts'
import { type RegistryOptions, startRegistry } from '../../lib/local/registry/server.ts'
import { sha256 } from '../../lib/oci/digest.ts'
import { pushReferrer } from '../../lib/oci/push-referrer.ts'
import { fallbackTag, listReferrers } from '../../lib/oci/referrers.ts'
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../../lib/oci/types.ts'
import { Secret } from '../../lib/secrets/port.ts'
import { clientOf, failure, serve } from './server.ts'

const SBOM = 'application/vnd.cyclonedx+json'
const VEX = 'application/vnd.openvex+json'

async function world(options: RegistryOptions = {}) {
  const registry = await startRegistry(options)
  onTestFinished(() => registry.close())
  const built = image({ layers: [layer([{ path: 'a', content: 'a' }])] })
  const credentials = options.credentials && {
    type: 'basic' as const,
    username: options.credentials.username,
    password: new Secret(options.credentials.password),
  }
  const client = clientOf(registry.host, credentials ? { credentials } : {})
  for (const { bytes, descriptor } of [built.config, ...built.layers])
    await client.upload('team/app', descriptor, async () => Readable.from([bytes]))
  const { bytes, descriptor } = built.manifest
  await client.putManifest('team/app', '1', { ...descriptor, bytes })
  const subject = (await client.resolve('team/app', '1'))!
  const artifact = (content: string, artifactType = SBOM) => ({
    subject,
    artifactType,
    content: Buffer.from(content),
    annotations: { 'org.example.content': content },
  })
  const pushed = (content: string, type?: string) => pushReferrer(client, 'team/app', artifact(content, type))
  const listed = (...types: string[]) => listReferrers(client, 'team/app', subject.digest, types)
  const tag = fallbackTag(subject.digest)
  const puts = () => registry.requests.filter(({ method }) => method === 'PUT' || method === 'POST').length
  return { registry, client, subject, pushed, listed, tag, puts }
}

const digests = (list: Descriptor[]) => list.map(({ digest }) => digest)

describe.each([true, false])('with a referrers API: %s,', (referrers) => {
  test('what was pushed is listed by its type, and is an artifact about the image', async () => {
    const { client, subject, pushed, listed } = await world({ referrers })
    const sbom = await pushed('{"sbom":1}')
    const vex = await pushed('{"vex":1}', VEX)
    expect(digests(await listed(SBOM))).toEqual([sbom.digest])
    expect(digests(await listed(SBOM, VEX))).toEqual([sbom.digest, vex.digest])
    expect(await listed('application/none')).toEqual([])
    const [found] = await listed(SBOM)
    expect(found).toMatchObject({ artifactType: SBOM, annotations: { 'org.example.content': '{"sbom":1}' } })
    const manifest = await client.manifest('team/app', sbom.digest)
    expect(manifest).toMatchObject({
      artifactType: SBOM,
      subject: { digest: subject.digest, size: subject.size, mediaType: subject.mediaType },
      config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 },
    })
    expect(Buffer.from(await client.blobBytes('team/app', manifest.layers![0]!)).toString()).toBe('{"sbom":1}')
  })

  test('pushed again it is the same artifact, and nothing is written', async () => {
    const { pushed, puts } = await world({ referrers })
    const first = await pushed('x')
    const before = puts()
    expect(await pushed('x')).toEqual({ digest: first.digest, pushed: false })
    expect(puts()).toBe(before)
    expect(first.pushed).toBe(true)
  })

  test('two at once are both listed', async () => {
    const { pushed, listed } = await world({ referrers })
    const both = await Promise.all([pushed('a'), pushed('b')])
    // Nothing locks the list of a registry without the API: whoever was overwritten is listed by pushing again.
    for (const content of ['a', 'b']) await pushed(content)
    expect(digests(await listed(SBOM)).sort()).toEqual(both.map(({ digest }) => digest).sort())
  })
})

describe('without a referrers API', () => {
  test('an artifact that lies there but is not listed becomes listed: a crash between the two is mended', async () => {
    const { registry, pushed, listed, tag, subject } = await world({ referrers: false })
    const { digest } = await pushed('x')
    registry.store.removeTag('team/app', tag)
    expect(await listed(SBOM)).toEqual([])
    await pushed('x')
    expect(digests(await listed(SBOM))).toEqual([digest])
    expect(tag).toBe(`sha256-${subject.digest.slice('sha256:'.length)}`)
  })

  test('what others wrote into the list stays, with all its fields', async () => {
    const { client, pushed, tag, subject } = await world({ referrers: false })
    const other = { ...subject, artifactType: 'application/x', annotations: { a: 'b' }, data: 'e30=', unknown: [1] }
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [other],
      annotations: { kept: 'yes' },
    }
    const bytes = Buffer.from(JSON.stringify(document))
    await client.putManifest('team/app', tag, {
      digest: '',
      mediaType: MEDIA_TYPES.ociIndex,
      size: bytes.length,
      bytes,
    })
    const { digest } = await pushed('x')
    const index = JSON.parse(Buffer.from((await client.manifest('team/app', tag)).bytes).toString())
    expect(index).toEqual({ ...document, manifests: [other, expect.objectContaining({ digest, artifactType: SBOM })] })
  })

  test('a tag that is no index is left alone: nothing is listed, and a push says so', async () => {
    const { client, pushed, listed, tag } = await world({ referrers: false })
    const { digest: signature } = await pushed('a signature')
    await client.putManifest('team/app', tag, await client.manifest('team/app', signature))
    expect(await listed(SBOM)).toEqual([])
    expect((await failure(pushed('x'))).code).toBe('manifest-rejected')
    expect((await client.manifest('team/app', tag)).config).toBeDefined()
  })
})

describe('where the tag is read as the digest it is made of (registry.gitlab.com, oras-go#1396)', () => {
  async function gitlab() {
    let shown: Manifest | undefined
    const asked = ({ method, path }: { method: string; path: string }) =>
      method === 'GET' && path.includes('/manifests/sha256-') && shown
        ? { status: 200, headers: { 'content-type': shown.mediaType }, body: Buffer.from(shown.bytes).toString() }
        : undefined
    const { registry, client, subject } = await world({ referrers: false, hooks: asked })
    const pushedTo = (about: Manifest) => {
      shown = about
      return pushReferrer(client, 'team/app', { subject: about, artifactType: SBOM, content: Buffer.from('x') })
    }
    const writes = () => registry.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/sha256-'))
    const image = await client.manifest('team/app', subject.digest)
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [subject] }),
    )
    const index = { digest: sha256(bytes), mediaType: MEDIA_TYPES.ociIndex, size: bytes.length, bytes }
    await client.putManifest('team/app', '2', index)
    return { subjects: { image, index }, pushedTo, writes }
  }

  test.each(['image', 'index'] as const)(
    'an artifact about an %s cannot be listed, and one sentence says so',
    async (kind) => {
      const { subjects, pushedTo, writes } = await gitlab()
      const error = await failure(pushedTo(subjects[kind]))
      expect(error).toMatchObject({ code: 'manifest-rejected', retryable: false })
      expect(error.message).toContain(`still is ${subjects[kind].digest} itself`)
      expect(writes()).toHaveLength(1)
    },
  )
})

test('a tag of referrers that names the image itself lists nothing, and is taken for the list', async () => {
  const { client, pushed, listed, tag } = await world({ referrers: false })
  await client.putManifest('team/app', tag, await client.manifest('team/app', '1'))
  expect(await listed(SBOM)).toEqual([])
  const { digest } = await pushed('x')
  expect(digests(await listed(SBOM))).toEqual([digest])
})

test('with credentials the right to push is asked for', async () => {
  const { pushed, listed } = await world({
    credentials: { username: 'robot', password: 'canary-referrers-19c4', scheme: 'bearer' },
  })
  const { digest } = await pushed('x')
  expect(digests(await listed(SBOM))).toEqual([digest])
})

describe('a list of referrers', () => {
  const entry = (n: number) => ({
    mediaType: MEDIA_TYPES.ociManifest,
    digest: `sha256:${String(n).padStart(64, '0')}`,
    size: 1,
    artifactType: n % 2 ? SBOM : VEX,
  })
  const index = (...manifests: unknown[]) =>
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests })
  const subject = `sha256:${'a'.repeat(64)}`
  const ask = (host: string) => listReferrers(clientOf(host), 'a', subject, [SBOM])

  test('is read page by page and filtered here, and its links lead nowhere else', async () => {
    const server = await serve((request, response) => {
      const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page') ?? 0)
      response.writeHead(200, {
        'content-type': MEDIA_TYPES.ociIndex,
        ...(page < 2 ? { link: `<https://elsewhere.test/v2/b/referrers/c?page=${page + 1}>; rel="next"` } : {}),
      })
      response.end(index(entry(2 * page), entry(2 * page + 1)))
    })
    expect(digests(await ask(server.host))).toEqual([1, 3, 5].map((n) => entry(n).digest))
    expect(server.seen.map(({ path }) => path)).toEqual(
      ['', '?page=1', '?page=2'].map((query) => `/v2/a/referrers/${subject}${query}`),
    )
  })

  test('is not the index that the list is asked about', async () => {
    const about = index(entry(1))
    const server = await serve((request, response) => {
      const isList = request.url?.includes('/referrers/')
      response.writeHead(isList ? 404 : 200, { 'content-type': MEDIA_TYPES.ociIndex }).end(isList ? '' : about)
    })
    expect(await listReferrers(clientOf(server.host), 'a', sha256(Buffer.from(about)), [SBOM])).toEqual([])
    expect(server.seen).toHaveLength(2)
  })

  test('that goes in circles or is no index is an error, not an empty list', async () => {
    const circle = await serve((_, response) => {
      response.writeHead(200, { 'content-type': MEDIA_TYPES.ociIndex, link: '<?page=1>; rel="next"' })
      response.end(index(entry(1)))
    })
    expect((await failure(ask(circle.host))).code).toBe('registry-invalid')
    const page = await serve((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'))
    expect((await failure(ask(page.host))).code).toBe('registry-invalid')
  })
})
