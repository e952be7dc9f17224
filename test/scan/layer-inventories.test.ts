/** What the layers of one image may take together: every text they hold counts. */
import { expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LayerInventories } from '../../lib/scan/layer-inventories.ts'
import { ANALYZER_VERSION, type FoundPackage, type LayerInventory } from '../../lib/scan/model.ts'

const LIMIT = 100_000
const long = 'x'.repeat(LIMIT)

const layer = (more: Partial<LayerInventory> = {}): LayerInventory => ({
  analyzer: ANALYZER_VERSION,
  diffId: `sha256:${'1'.repeat(64)}`,
  packages: [],
  databases: [],
  unread: {},
  osFiles: {},
  whiteouts: [],
  opaque: [],
  shadows: [],
  directories: [],
  links: {},
  entries: 0,
  bytes: 0,
  gaps: [],
  ...more,
})
const holding = (more: Partial<FoundPackage> = {}): Partial<LayerInventory> => ({
  packages: [{ kind: 'apk', name: 'a', version: '1', path: 'p', source: { name: 'a', version: '1' }, ...more }],
})
const owner = { name: 'a', version: '1' }

const hold = (one: LayerInventory) =>
  new LayerInventories({ ...defaultLimits, layerInventoriesBytesMax: LIMIT }).set(one.diffId, one)

// Only paths counted: a layer of 600 KB gzipped held five times as much as was counted.
test.each<[what: string, more: Partial<LayerInventory>]>([
  ['name of a package', holding({ name: long })],
  ['version of a package', holding({ version: long })],
  ['architecture of a package', holding({ architecture: long })],
  ['path of a package', holding({ path: long })],
  ['member of an archive', holding({ member: long })],
  ['source', holding({ source: { name: long, version: '1' } })],
  ['version of a source', holding({ source: { name: 'a', version: long } })],
  ['path of an owner', { owners: { [long]: owner } }],
  ['owner', { owners: { p: { ...owner, name: long } } }],
  ['version of an owner', { owners: { p: { ...owner, version: long } } }],
  ['gap of an owner', { owners: { p: { ...owner, gaps: [long] } } }],
  ['gap', { gaps: [long] }],
  ['gap of a file', { fileGaps: { p: ['short', long] } }],
  ['path of a gap', { fileGaps: { [long]: [] } }],
  ['link', { links: { [long]: 'p' } }],
  ['target of a link', { links: { p: long } }],
  ['unread database', { unread: { p: long } }],
  ['path of an unread database', { unread: { [long]: 'p' } }],
  ['os-release', { osFiles: { p: long } }],
  ['directory', { directories: [long] }],
  ['whiteout', { whiteouts: [long] }],
])('a long %s counts for the limit of what layers hold', (_, more) => {
  expect(() => hold(layer(more))).toThrow('limit layerInventoriesBytesMax')
})

test('what is short fits', () => {
  expect(hold(layer({ ...holding(), owners: { p: owner }, gaps: ['a'], links: { p: 'q' } })).size).toBe(1)
})
