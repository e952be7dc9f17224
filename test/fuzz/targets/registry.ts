/** What registries answer, and what people call images. */
import { defaultLimits } from '../../../lib/config.ts'
import { parseChallenges } from '../../../lib/oci/challenge.ts'
import { parseManifest } from '../../../lib/oci/manifest.ts'
import { checkRealm } from '../../../lib/oci/realm.ts'
import { formatReference, parseReference } from '../../../lib/oci/reference.ts'
import { retryAfterMs } from '../../../lib/oci/retry.ts'
import { MEDIA_TYPES } from '../../../lib/oci/types.ts'
import { rangeOf } from '../../../lib/oci/uploads-answers.ts'
import { readConfig } from '../../../lib/scan/target.ts'
import { hold, refusing, type Target } from '../target.ts'

const json = (...documents: unknown[]) => documents.map((document) => Buffer.from(JSON.stringify(document)))
const texts = (...inputs: string[]) => inputs.map((text) => Buffer.from(text))
const digest = `sha256:${'a'.repeat(64)}`
const blob = (mediaType: string) => ({ mediaType, digest, size: 10 })

const manifest: Target = {
  name: 'manifest',
  seeds: {
    inputs: json(
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: blob('application/vnd.oci.image.config.v1+json'),
        layers: [blob('application/vnd.oci.image.layer.v1.tar+gzip')],
        subject: blob(MEDIA_TYPES.ociManifest),
        annotations: { a: 'b' },
      },
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociIndex,
        manifests: [
          { ...blob(MEDIA_TYPES.ociManifest), platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
        ],
      },
      { schemaVersion: 1, fsLayers: [] },
    ),
    words: ['"layers"', '"manifests"', '"config"', '"size"', digest, '"urls"', 'null', '[]', '{}', '-1', '1e999'],
  },
  run(input) {
    const read = refusing(() => parseManifest(input, { what: 'x', limits: defaultLimits }))
    if (!read) return
    hold((read.manifests === undefined) !== (read.layers === undefined), 'an image that is an index, or neither')
    for (const { size, digest } of [
      ...(read.layers ?? []),
      ...(read.manifests ?? []),
      ...(read.config ? [read.config] : []),
    ]) {
      hold(Number.isSafeInteger(size) && size >= 0, `a size of ${size}`)
      hold(/^[a-z0-9]+:[0-9a-f]{64,}$/.test(digest), `a digest of ${digest}`)
    }
  },
}

const config: Target = {
  name: 'config',
  seeds: {
    inputs: json({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [digest] },
      history: [{ created_by: 'x' }],
    }),
    words: ['"rootfs"', '"diff_ids"', digest, 'null'],
  },
  run(input) {
    const read = refusing(() => readConfig(input, 'x'))
    for (const id of read?.diffIds ?? []) hold(/^sha(?:256|512):[0-9a-f]{64,128}$/.test(id), `a diffID of ${id}`)
  },
}

const headers: Target = {
  name: 'headers',
  seeds: {
    inputs: texts(
      'Bearer realm="https://auth.example.org/token?x=1",service="registry.example.org",scope="repository:a:pull"',
      'Basic realm="x", Bearer realm=y',
      '0-1048575',
      'Sun, 06 Nov 1994 08:49:37 GMT',
      '120',
      'https://user:password@127.0.0.1:5000/token',
    ),
    words: ['Bearer ', 'realm=', '"', '\\', ',', '=', 'bytes=', '-', 'http://', '@', '[::1]', '0x7f.1'],
  },
  run(input) {
    const text = input.toString('latin1')
    for (const { scheme, parameters } of parseChallenges(text)) {
      hold(scheme !== '', 'a challenge without a scheme')
      const realm = parameters.get('realm')
      if (realm === undefined) continue
      const asked = refusing(() => checkRealm(realm, new URL('https://registry.example.org/'), true))
      // I14: with credentials in hand, nobody but the registry and its own domain is asked.
      if (asked) hold(/(?:^|\.)example\.org$/.test(asked.url.hostname), `credentials would go to ${asked.url.hostname}`)
    }
    const after = retryAfterMs(text, 0, defaultLimits)
    hold(
      after === undefined || (after >= 0 && after <= defaultLimits.registryRetryAfterSecondsMax * 1_000),
      `waits for ${after}`,
    )
    rangeOf(text, 10)
  },
}

const reference: Target = {
  name: 'reference',
  seeds: {
    inputs: texts(
      'registry.example.org:5000/team/app:1.0',
      `127.0.0.1:5001/a@${digest}`,
      'alpine',
      '[::1]:5000/a:b',
      `ghcr.io/a/b:c@${digest}`,
    ),
    words: ['/', ':', '@', 'sha256:', '..', '[', ']', 'localhost', '%2f', '\t'],
  },
  run(input) {
    const read = refusing(() => parseReference(input.toString('utf8')))
    if (!read) return
    const written = formatReference(read)
    hold(formatReference(parseReference(written)) === written, `${JSON.stringify(written)} is read as something else`)
    hold(!/[\s\\]|\.\./.test(read.repository), `a repository of ${JSON.stringify(read.repository)}`)
  },
}

export const registry: readonly Target[] = [manifest, config, headers, reference]
