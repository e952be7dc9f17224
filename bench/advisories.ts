/**
 * Question: how long does a revision take to build, to open and to look up, and how long does a rescan take?
 *
 *   npx esbuild bench/advisories.ts --bundle --platform=node --format=esm --target=node20 \
 *     --outfile=/tmp/longshore-bench/advisories.mjs \
 *     --banner:js="import{createRequire}from'node:module';const require=createRequire(import.meta.url)"
 *   node /tmp/longshore-bench/advisories.mjs ../shared/vulndata
 *
 * Goals: all 29,319 records in <= 5 s and <= 400 MB RSS, open <= 20 ms, lookup <= 10 us, rescan of 321 packages <= 5 ms.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { baseEcosystem } from '../lib/advisories/ecosystem.ts'
import { buildRevision, directorySource, openAdvisories } from '../lib/advisories/index.ts'
import { IndexFile } from '../lib/advisories/index-file.ts'
import { fileKey, type RevisionManifest, revisionKey } from '../lib/advisories/model.ts'
import { diskBlobs } from '../lib/blobs/disk.ts'
import { defaultLimits } from '../lib/config.ts'
import { buildReport } from '../lib/scan/match.ts'
import type { ImageInventory, ImagePackage } from '../lib/scan/model.ts'

const data = process.argv[2] ?? '../shared/vulndata'
const directory = mkdtempSync(join(tmpdir(), 'longshore-bench-'))
const blobs = diskBlobs(directory)
const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!
const say = (what: string, value: string) => console.log(`${what.padEnd(44)} ${value}`)

say('machine', `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`)
const started = performance.now()
const cpuBefore = process.cpuUsage()
const built = await buildRevision({
  source: directorySource(join(data, 'osv'), defaultLimits),
  blobs,
  enrichment: data,
  limits: defaultLimits,
})
const cpu = process.cpuUsage(cpuBefore)
say(
  'build of all records with enrichment, CPU',
  `${(performance.now() - started).toFixed(0)} ms, ${((cpu.user + cpu.system) / 1000).toFixed(0)} ms`,
)
say('peak RSS of the build', `${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`)
say('records, ecosystems, skipped', `${built.records}, ${built.ecosystems.length}, ${built.skipped.count}`)

const manifest = JSON.parse(
  Buffer.from((await blobs.get(revisionKey(built.revision)))!).toString('utf8'),
) as RevisionManifest
for (const kind of ['match', 'details'] as const) {
  const files = manifest.files.filter((file) => file.kind === kind)
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  say(`${kind} files`, `${files.length}, ${(bytes / 1e6).toFixed(2)} MB`)
}

const opens: number[] = []
const firsts: number[] = []
for (let i = 0; i < 15; i++) {
  // Another store object each time, so that nothing of the time before is reused.
  const store = { ...blobs, get: (key: string) => blobs.get(key) }
  const before = performance.now()
  const database = await openAdvisories(store)
  opens.push(performance.now() - before)
  await database.lookup('Debian:12', 'openssl')
  await database.lookup('npm', 'lodash')
  firsts.push(performance.now() - before)
}
say('open (pointer and manifest), median', `${median(opens).toFixed(2)} ms`)
say('open and load Debian:12 and npm, median', `${median(firsts).toFixed(2)} ms`)

const database = await openAdvisories(blobs)
const keys: [ecosystem: string, name: string][] = []
for (const file of manifest.files.filter((one) => one.kind === 'match'))
  for (const [name] of new IndexFile((await blobs.get(fileKey(file.sha256)))!).entries())
    keys.push([file.ecosystem, name])
const lookups = async (names: [string, string][]) => {
  for (const [ecosystem, name] of names) await database.lookup(ecosystem, name)
}
const missing = keys.map(([ecosystem, name]): [string, string] => [ecosystem, `${name}-not-there`])
for (const [what, names] of [
  ['lookup of every known name', keys],
  ['lookup of as many unknown names', missing],
] as const) {
  await lookups([...names])
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const before = performance.now()
    await lookups([...names])
    times.push(((performance.now() - before) * 1000) / names.length)
  }
  say(`${what} (${names.length}), mean`, `${median(times).toFixed(2)} us`)
}
say('ecosystems with details', [...new Set(manifest.files.map(({ ecosystem }) => baseEcosystem(ecosystem)))].join(' '))

/** The debootstrap packages and as many npm packages as the lab image has: 321 in all. */
function packages(): ImagePackage[] {
  const status = readFileSync(join(data, 'inventories/debian-12.15-minbase-python3.dpkg-status'), 'utf8')
  const found = status.split('\n\n').flatMap((stanza): ImagePackage[] => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1]
    const [name, version] = [field('Package'), field('Version')]
    if (!name || !version) return []
    const source = /^(\S+)(?: \((.+)\))?$/.exec(field('Source') ?? name)!
    const origin = { name: source[1]!, version: source[2] ?? version }
    return [{ kind: 'dpkg', name, version, source: origin, path: 'var/lib/dpkg/status', layer: 'sha256:1' }]
  })
  const npm = Array.from({ length: 321 - found.length }, (_, i): ImagePackage => {
    const name = i === 0 ? 'lodash' : i === 1 ? 'minimist' : `package-${i}`
    return { kind: 'npm', name, version: '1.2.5', path: `app/node_modules/${name}/package.json`, layer: 'sha256:2' }
  })
  return [...found, ...npm]
}
const inventory: ImageInventory = {
  analyzer: 1,
  digest: 'sha256:3',
  platform: 'linux/amd64',
  os: { id: 'debian', version: '12' },
  packages: packages(),
  layers: [],
  gaps: [],
  kind: 'image',
}
const scans: number[] = []
let findings = 0
for (let i = 0; i < Number(process.env.SCANS ?? 60); i++) {
  const before = performance.now()
  findings = (await buildReport({ image: 'bench', inventory, database })).findings.length
  scans.push(performance.now() - before)
}
say(`match of ${inventory.packages.length} packages, first`, `${scans[0]!.toFixed(2)} ms, ${findings} findings`)
say(
  `match, median of ${scans.length}, and fastest`,
  `${median(scans).toFixed(2)} ms, ${Math.min(...scans).toFixed(2)} ms`,
)
rmSync(directory, { recursive: true, force: true })
