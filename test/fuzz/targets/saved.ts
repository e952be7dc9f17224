/** Archives of `docker save` and OCI layouts, opened and scanned where they lie. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryBlobs } from '../../../lib/blobs/memory.ts'
import { defaultLimits } from '../../../lib/config.ts'
import { image, layer, tarOf } from '../../../lib/local/demo/build.ts'
import { openDockerArchive } from '../../../lib/scan/inputs/docker-archive.ts'
import { openFiles } from '../../../lib/scan/inputs/files.ts'
import { openOciLayout } from '../../../lib/scan/inputs/oci-layout.ts'
import { readImage } from '../../../lib/scan/inputs/read-image.ts'
import type { SavedImage } from '../../../lib/scan/inputs/saved.ts'
import { dockerFiles, layoutFiles } from '../../scan/inputs/saved-images.ts'
import { hold, refusingLater, type Target } from '../target.ts'
import { withChecksums } from './layers.ts'

const app = image({
  layers: [
    layer([{ path: 'app/node_modules/a/package.json', content: '{"name":"a","version":"1.0.0"}' }]),
    layer([{ path: 'etc/os-release', content: 'ID=debian\nVERSION_ID=12\n' }]),
  ],
})
const limits = { ...defaultLimits, layerInflatedBytesMax: 8_388_608 }

const folder = mkdtempSync(join(tmpdir(), 'longshore-fuzz-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'image.tar')

const reading = (name: string, seed: Buffer, open: typeof openOciLayout): Target => ({
  name,
  seeds: { inputs: [seed], words: ['manifest.json', 'index.json', 'blobs/sha256/', '"Layers"', '"Config"', '../'] },
  dress: withChecksums,
  share: 0.2,
  async run(input) {
    writeFileSync(path, input)
    const saved: SavedImage | undefined = await refusingLater(async () =>
      open(openFiles(path, limits), undefined, limits),
    )
    if (!saved) return
    const inventory = await refusingLater(() =>
      readImage({
        ...saved,
        repository: 'x',
        blobs: memoryBlobs(),
        limits,
        signal: new AbortController().signal,
        tell: () => {},
      }),
    )
    // Everything in it is verified by a digest: what is read at all is read right, or another image altogether.
    if (inventory?.digest === app.manifest.descriptor.digest)
      hold(inventory.packages.map(({ name }) => name).join() === 'a', 'a verified image has other packages')
  },
})

export const saved: readonly Target[] = [
  reading('docker-archive', tarOf(dockerFiles({ 'team/app:1': app })), openDockerArchive),
  reading('oci-layout', tarOf(layoutFiles({ 'team/app:1': app })), openOciLayout),
]
