/** `demo/shop:1.0`: the image a first user scans and replicates. Built by code, the same bytes on every machine. */

import { gzipSync } from 'fflate'
import { DEMO_REPOSITORY } from '../../advisories/model.ts'
import { type BuiltIndex, type BuiltLayer, image, index, layer } from './build.ts'
import { debianLayer } from './debian.ts'
import { push } from './push.ts'
import { cleanupLayer, shopLayer } from './shop.ts'
import type { TarEntry } from './tar.ts'

export const DEMO_TAG = '1.0'

const PLATFORMS = ['amd64', 'arm64'] as const
const CREATED = '2023-08-01T00:00:00Z'

/** An index of linux/amd64 and linux/arm64, which share all layers but the first. About 20 KB. */
export function demoImage(): BuiltIndex {
  const app = packed(shopLayer())
  const cleanup = packed(cleanupLayer())
  return index(
    PLATFORMS.map((architecture) => platformImage(architecture, [packed(debianLayer(architecture)), app, cleanup])),
  )
}

function platformImage(architecture: string, layers: BuiltLayer[]) {
  const steps = ['ADD debian 12.1', 'COPY . /srv/shop', 'RUN npm uninstall node-fetch && reinstall /opt/migrate']
  return image({
    layers,
    platform: { os: 'linux', architecture },
    config: {
      created: CREATED,
      config: { User: 'shop', WorkingDir: '/srv/shop', Cmd: ['node', 'server.js'], ExposedPorts: { '8080/tcp': {} } },
      history: steps.map((step) => ({ created: CREATED, created_by: step })),
    },
    manifest: { annotations: { 'org.opencontainers.image.title': 'Longshore demo shop' } },
  })
}

/** zlib's output depends on its version and on the processor; fflate's does not, and with it the digest of the demo. */
const packed = (entries: TarEntry[]): BuiltLayer =>
  layer(entries, { gzip: (tar) => gzipSync(tar, { level: 9, mtime: 0 }) })

/**
 * Pushes the demo image to `127.0.0.1:port` over HTTP and returns its digest. One HEAD when it is there already.
 * Throws `registry-invalid` when the registry refuses.
 */
export async function seedDemo(registryHost: string): Promise<string> {
  return push(`http://${registryHost}`, DEMO_REPOSITORY, DEMO_TAG, demoImage())
}
