/** What the advisory database is built from: OSV records, archives of them, trivy.db; and how versions are ordered. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BoltFile, type Bucket } from '../../../lib/advisories/bbolt.ts'
import { readRecord } from '../../../lib/advisories/intake.ts'
import { readMatches } from '../../../lib/advisories/model.ts'
import { prepare } from '../../../lib/advisories/prepared.ts'
import { eventsOf } from '../../../lib/advisories/trivy-db.ts'
import { zipMembers } from '../../../lib/advisories/zip.ts'
import { affectedBy } from '../../../lib/scan/affected.ts'
import { comparatorOf } from '../../../lib/scan/versions/index.ts'
import { record, zip } from '../../advisories/dumps.ts'
import { fixture } from '../../scan/packages/reading.ts'
import { hold, refusing, refusingLater, type Target } from '../target.ts'

const OSV = {
  ...record('GHSA-1', 'npm', 'lodash', '4.17.21', {
    aliases: ['CVE-2021-1'],
    severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
    references: [{ type: 'ADVISORY', url: 'https://example.org/1' }],
    database_specific: { severity: 'HIGH' },
    summary: 'a flaw',
  }),
}
const SEVERAL = {
  id: 'DSA-1',
  modified: '2026-01-02T03:04:05Z',
  upstream: ['CVE-2026-1'],
  affected: [
    {
      package: { ecosystem: 'Debian:12', name: 'glibc' },
      ranges: [
        {
          type: 'ECOSYSTEM',
          events: [{ introduced: '0' }, { fixed: '2.36-9' }, { introduced: '2.37' }, { last_affected: '2.38' }],
        },
        { type: 'GIT', events: [{ introduced: '0' }] },
        { type: 'SEMVER', events: [{ introduced: '1.0.0-rc.1' }, { limit: '*' }] },
      ],
      versions: ['2.35', '2.36'],
    },
  ],
}

const osv: Target = {
  name: 'osv',
  seeds: {
    inputs: [OSV, SEVERAL].map((one) => Buffer.from(JSON.stringify(one))),
    words: [
      '"introduced"',
      '"fixed"',
      '"limit"',
      '"withdrawn"',
      '"affected"',
      '"PyPI"',
      '"Go"',
      'null',
      '[]',
      '{}',
      '"0"',
    ],
  },
  run(input) {
    const read = readRecord(input, 1_000)
    if ('problem' in read) return
    for (const [ecosystem, name, text] of prepare(read).matches) {
      hold(name !== '' && !name.includes('\n'), `a package called ${JSON.stringify(name)}`)
      const compare = comparatorOf(ecosystem) ?? comparatorOf('npm')!
      for (const match of readMatches(`[${text}]`))
        for (const version of ['0', '1.0.0', '2.36-9', '']) affectedBy(match, version, compare)
    }
  },
}

/** A file per thread: both formats are read by place, from a file that may be larger than memory. */
let opened: number | undefined
function asFile<T>(bytes: Buffer, use: (fd: number) => T): T {
  if (opened === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-fuzz-'))
    opened = openSync(join(folder, 'file'), 'w+')
    // It lives as long as it is open.
    rmSync(folder, { recursive: true })
    process.once('exit', () => closeSync(opened!))
  }
  ftruncateSync(opened, 0)
  writeSync(opened, bytes, 0, bytes.length, 0)
  return use(opened)
}

const dump: Target = {
  name: 'dump',
  seeds: {
    inputs: [
      Buffer.from(zip({ 'GHSA-1.json': OSV, 'DSA-1.json': SEVERAL })),
      Buffer.from(zip({ 'a/': '', 'b.json': '{}' })),
    ],
    words: ['PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', 'PK\x06\x06'],
  },
  share: 0.5,
  run: (input) =>
    asFile(input, async (fd) => {
      await refusingLater(async () => {
        let bytes = 0
        for await (const member of zipMembers(fd, 'all.zip', 1_048_576, 1_000)) bytes += member.bytes.length
        hold(bytes <= 1_000 * 1_048_576, 'more than the limits came out')
      })
    }),
}

const bolt: Target = {
  name: 'bbolt',
  // Pages of data before pages that are free: damage shall meet what is read.
  seeds: { inputs: [fixture('trivy/trivy.db')] },
  share: 0.02,
  run: (input) =>
    asFile(input, (fd) => {
      refusing(() => {
        const file = new BoltFile(fd, 'trivy.db')
        let entries = 0
        const walk = (bucket: Bucket, depth: number) => {
          for (const entry of file.entries(bucket)) {
            if (++entries > 200_000) return
            if (entry.bucket !== undefined && depth < 4) walk(entry.bucket, depth + 1)
          }
        }
        walk(file.root, 0)
        file.get(file.root, 'vulnerability')
      })
    }),
}

const expressions: Target = {
  name: 'expressions',
  seeds: {
    inputs: ['>=1.0.0, <1.2.3', '<=2.0 || >3', '^1.2 ~3', '= 1.0.0', '< 1.0.0-rc.1+x'].map((text) => Buffer.from(text)),
    words: ['>=', '<=', '<', '>', '=', '||', '^', '~', ',', ' '],
  },
  run(input) {
    for (const event of eventsOf(input.toString('utf8')) ?? [])
      for (const version of Object.values(event))
        hold(typeof version === 'string' && version !== '', 'an event without a version')
  },
}

const ECOSYSTEMS = [
  ...[
    'Debian:12',
    'Ubuntu:22.04',
    'Alpine:v3.19',
    'Wolfi',
    'Red Hat',
    'AlmaLinux:9',
    'npm',
    'PyPI',
    'Maven',
    'RubyGems',
  ],
  ...['NuGet', 'Packagist', 'Go', 'crates.io', 'Pub', 'Hex', 'CRAN', 'Hackage'],
]
const comparators = ECOSYSTEMS.map((name) => [name, comparatorOf(name)!] as const)

/** Three lines are three versions. Orders that follow a tool which is none are held to what the tool does (see the notes). */
const versions: Target = {
  name: 'versions',
  seeds: {
    inputs: [
      '1:2.36-9+deb12u1~bpo1\n2.36-9\n2.36.0-9',
      '1.2.3_alpha1-r1\n1.2.3_p2-r0\n1.2.3b',
      '1.0.0-rc.1+build\n1.0.0-rc.2\n1.0.0',
      '1!2.0.post1.dev2+local\n2.0a1\n2.0c1',
      '1.0-alpha-1-SNAPSHOT\n1.0-ga\n1.0-sp-1',
      'v1.2.0-0.20200101000000-abcdef123456\nv1.2.0+incompatible\nv1.2',
      '1.0.0.4-beta\n1.0.0.10\n1.0',
    ].map((text) => Buffer.from(text)),
    words: ['~', '^', '-', '+', '.', ':', 'rc', 'alpha', 'dev', 'post', '_p', 'x', 'SNAPSHOT', '00', '!'],
  },
  run(input) {
    const [a = '', b = '', c = ''] = input.toString('utf8').slice(0, 600).split('\n')
    for (const [name, compare] of comparators) {
      hold(compare(a, a) === 0, `${name}: ${JSON.stringify(a)} is not itself`)
      const there = compare(a, b)
      hold([-1, 0, 1].includes(there), `${name}: ${there}`)
      hold(compare(b, a) === (0 - there || 0), `${name}: ${JSON.stringify([a, b])} have two orders`)
      compare(b, c)
    }
  },
}

export const advisories: readonly Target[] = [osv, dump, bolt, expressions, versions]
