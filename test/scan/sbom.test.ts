import { expect, test } from 'vitest'
import { ANALYZER_VERSION, type ImageInventory } from '../../lib/scan/model.ts'
import { sbomOf } from '../../lib/scan/sbom.ts'
import { cycloneDxProblems } from '../report/schemas.ts'

const layer = `sha256:${'a'.repeat(64)}`
const inventory = (packages: ImageInventory['packages']): ImageInventory => ({
  analyzer: ANALYZER_VERSION,
  digest: `sha256:${'d'.repeat(64)}`,
  platform: 'linux/arm64',
  os: { id: 'debian', version: '12', name: 'Debian 12' },
  packages,
  layers: [{ digest: layer, diffId: layer }],
  gaps: ['opt/x.jar cannot be read'],
  kind: 'image',
})
const libc = {
  kind: 'dpkg',
  name: 'libc6',
  version: '2.36-9+deb12u7',
  architecture: 'arm64',
  source: { name: 'glibc', version: '2.36-9+deb12u7' },
  path: 'var/lib/dpkg/status',
  layer,
} as const
const babel = {
  kind: 'npm',
  name: '@babel/core',
  version: '7.0.0',
  path: 'app/node_modules/@babel/core/package.json',
  layer,
} as const

test('the inventory of an image is a valid CycloneDX 1.6 SBOM', async () => {
  const text = sbomOf(inventory([libc, babel]), 'registry.test/team/app:1.0')
  expect(await cycloneDxProblems(text)).toBeNull()
  const bom = JSON.parse(text)
  expect(bom.metadata.component).toMatchObject({ type: 'container', name: 'registry.test/team/app:1.0' })
  expect(bom.components.map(({ name, purl }: { name: string; purl?: string }) => [name, purl])).toEqual([
    ['debian', undefined],
    ['libc6', 'pkg:deb/debian/libc6@2.36-9%2Bdeb12u7?arch=arm64&distro=debian-12'],
    ['core', 'pkg:npm/%40babel/core@7.0.0'],
  ])
  expect(bom.compositions).toEqual([{ aggregate: 'incomplete', assemblies: [bom.metadata.component['bom-ref']] }])
})

test('equal inventories are equal SBOMs, whatever order the packages came in', () => {
  expect(sbomOf(inventory([babel, libc]))).toBe(sbomOf(inventory([libc, babel])))
  expect(sbomOf(inventory([libc]))).not.toBe(sbomOf(inventory([libc, babel])))
})

test('an artifact that is no image is an SBOM without packages', async () => {
  const { os: _, ...rest } = inventory([])
  expect(await cycloneDxProblems(sbomOf({ ...rest, kind: 'artifact', platform: 'unknown' }))).toBeNull()
})
